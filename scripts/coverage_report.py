#!/usr/bin/env python3
"""Add up what gcov counted: coverage_report.py COUNTS MISSING

COUNTS holds one JSON document of gcov a line.  A source may have been compiled
into several programs; a line or branch counts if any of them reached it.  What
none did is listed in the file MISSING.  A branch that no input can take is marked
in the source with LCOV_EXCL_BR_LINE and the reason.
"""
import collections
import json
import os
import sys

LINES_WANTED = 90.0
DECODER = "src/engine/codec.c"
DECODER_BEGINS = "/* ---- decoding ---- */"


def main():
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    decoder_lines = lines_of_decoder()
    for document in open(sys.argv[1]):
        for source in json.loads(document)["files"]:
            name = os.path.normpath(source["file"])
            if not name.startswith("src/"):
                continue
            for line in source["lines"]:
                number = line["line_number"]
                lines[name][number] += line["count"]
                if name == DECODER and number not in decoder_lines:
                    continue
                for index, branch in enumerate(line["branches"]):
                    key = (number, line.get("function_name", ""), index)
                    branches[name][key] += branch["count"]
    with open(sys.argv[2], "w") as missing:
        for name in sorted(lines):
            reached = sum(count > 0 for count in lines[name].values())
            taken = sum(count > 0 for count in branches[name].values())
            print("%-36s lines %6.1f %%  branches %6.1f %%" % (
                name, percent(reached, len(lines[name])), percent(taken, len(branches[name]))))
            for number, count in sorted(lines[name].items()):
                if count == 0:
                    missing.write("%s:%d: not reached\n" % (name, number))
            if name == DECODER:
                for (number, _, index), count in sorted(branches[name].items()):
                    if count == 0:
                        missing.write("%s:%d: branch %d not taken\n" % (name, number, index))
    reached = sum(count > 0 for name in lines for count in lines[name].values())
    total = percent(reached, sum(len(counts) for counts in lines.values()))
    taken = sum(count > 0 for count in branches[DECODER].values())
    decoder = percent(taken, len(branches[DECODER]))
    print("lines of src: %.1f %%, branches of the decoder: %.1f %%" % (total, decoder))
    return 0 if total >= LINES_WANTED and taken == len(branches[DECODER]) else 1


def lines_of_decoder():
    """The numbers of the decoder's lines whose branches count."""
    source = open(DECODER).read().split("\n")
    begin = source.index(DECODER_BEGINS)
    return {i + 1 for i in range(begin, len(source)) if "LCOV_EXCL_BR_LINE" not in source[i]}


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


sys.exit(main())
