# Sourced by the scripts that need a server: a copy of the installed PostgreSQL
# of their own, in a temporary directory, with this checkout's extension in it.
#
# Nothing is installed into the system and no existing cluster is touched.
# PostgreSQL finds its files relative to its executable, so executables copied
# to ROOT/usr/lib/... look for libraries and extensions under ROOT too, where
# symbolic links lead to the system's and the extension is a real file.
#
# Sets: work (the temporary directory, removed at exit), bindir (copied
# executables), pgxs (the server's build files); and the function as_server,
# which runs a command as a user that PostgreSQL accepts (never root).

# Variables of the caller's own connections and of an outer make stay outside.
for variable in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p') MAKEFLAGS MFLAGS MAKELEVEL; do
	unset "$variable"
done
export LC_ALL=C.UTF-8

if [ -z "${PG_CONFIG:-}" ]; then
	PG_CONFIG=${PG_MAJOR:+/usr/lib/postgresql/$PG_MAJOR/bin/}pg_config
fi
export PG_CONFIG
jobs=$(nproc 2>/dev/null || echo 1)

server_user=$(id -un)
if [ "$(id -u)" = 0 ]; then
	server_user=postgres
	id postgres >/dev/null 2>&1 || server_user=nobody
fi

as_server() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u "$server_user" -- env HOME="$work" "$@"
	else
		"$@"
	fi
}

work=$(mktemp -d "${TMPDIR:-/tmp}/textclf.XXXXXX")

# Server started by start_server, then the directory; on every way out.
clean_up() {
	status=$?
	trap - EXIT
	if [ -f "$work/data/postmaster.pid" ]; then
		as_server "$bindir/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1
	fi
	rm -rf "$work"
	exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Build the extension, with $CC and $COPT if they are set, and put it into the copy.
install_privately() {
	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	system_bin=$("$PG_CONFIG" --bindir)
	system_lib=$("$PG_CONFIG" --pkglibdir)
	system_share=$("$PG_CONFIG" --sharedir)
	bindir=$work/root$system_bin

	make -s -j"$jobs" ${CC:+CC="$CC"} all || return 1
	mkdir -p "$bindir" "$work/root$system_lib" "$work/root$system_share/extension"
	cp "$system_bin"/* "$bindir"
	ln -s "$system_lib"/* "$work/root$system_lib"
	for entry in "$system_share"/*; do
		[ "${entry##*/}" = extension ] || ln -s "$entry" "$work/root$system_share"
	done
	ln -s "$system_share"/extension/* "$work/root$system_share/extension"
	rm -f "$work/root$system_lib/textclf.so" "$work/root$system_share"/extension/textclf*
	make -s ${CC:+CC="$CC"} install DESTDIR="$work/root" >/dev/null || return 1
	chown -R "$server_user" "$work" 2>/dev/null || [ "$(id -u)" != 0 ]
}

# Start a server on $work/data, reachable only through a socket in $work, and
# point the PG* variables at it.  Arguments: a command to run postgres under.
start_server() {
	start_server_with '' /dev/null "$@"
}

# The same with more options for initdb and a file of further settings.
start_server_with() {
	local initdb_options=$1 settings=$2
	shift 2
	as_server "$bindir/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C \
		--no-sync $initdb_options >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; return 1; }
	as_server sh -c 'cat >>"$0"' "$work/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$work'
		fsync = off
		shared_buffers = 64MB
		max_wal_size = 256MB
		$(cat "$settings")
	CONF
	export PGHOST="$work" PGUSER=postgres PGDATABASE=postgres
	as_server "$@" "$bindir/postgres" -D "$work/data" >"$work/server.log" 2>&1 &
	server=$!
	until as_server "$bindir/pg_isready" -q; do
		if ! kill -0 "$server" 2>/dev/null; then
			cat "$work/server.log" >&2
			return 1
		fi
		sleep 0.2
	done
}
