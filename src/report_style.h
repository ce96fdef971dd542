/*
 * report_style.h
 *	  The style sheet of textclf_report.
 *
 * Every colour is a variable, given once for a light and once for a dark
 * screen.  d0 to d7 and e0 to e7 are the cells of the confusion matrix, right
 * and mistaken, from few rows to many.
 */
#ifndef TEXTCLF_REPORT_STYLE_H
#define TEXTCLF_REPORT_STYLE_H

static const char report_style[] =
":root{--page:#f4f5f7;--card:#fff;--rule:#d9dde3;--text:#191d23;--soft:#565f6b;--main:#1d62ad;--wrong:#b4530f;"
"--ground:#eef0f3;--on-light:#10151b;--on-dark:#fff;--mixed:#d5d9df;"
"--d0:#e8f1fb;--d1:#cfe2f6;--d2:#b1d0ef;--d3:#8dbae5;--d4:#69a3db;--d5:#2a6fb8;--d6:#1b5797;--d7:#0c3f76;"
"--e0:#fdeee2;--e1:#fbdcc3;--e2:#f7c299;--e3:#f1a56c;--e4:#e68742;--e5:#b4530f;--e6:#933f08;--e7:#6f2d03}\n"
"@media (prefers-color-scheme:dark){:root{--page:#0e1216;--card:#171c22;--rule:#323a44;--text:#e7eaee;--soft:#a0aab6;--main:#6fb1f7;--wrong:#f0a060;"
"--ground:#20262e;--on-light:#eef1f5;--on-dark:#0b1016;--mixed:#3a434e;"
"--d0:#162636;--d1:#19324c;--d2:#1c3f63;--d3:#1f4f80;--d4:#27609a;--d5:#5b9fe0;--d6:#82b9f0;--d7:#aed3fa;"
"--e0:#33220f;--e1:#4a2c11;--e2:#633713;--e3:#7b4213;--e4:#8f4c13;--e5:#e08c4a;--e6:#f0aa73;--e7:#fbcba4}}\n"
"*{box-sizing:border-box}\n"
"html{color-scheme:light dark;-webkit-text-size-adjust:100%}\n"
"body{margin:0 auto;padding:1.5rem clamp(.5rem,3vw,2rem) 3rem;max-width:70rem;background:var(--page);color:var(--text);"
"font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;overflow-wrap:anywhere}\n"
"h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}\n"
"h2{font-size:1.15rem;margin:0 0 .5rem}\n"
"p{margin:.25rem 0 .75rem}\n"
"main{display:grid;grid-auto-flow:dense;gap:1rem;margin:1.25rem 0;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}\n"
"section{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;padding:1rem clamp(.6rem,3vw,1.25rem);min-width:0}\n"
".whole{grid-column:1/-1}\n"
".soft,.tiles span,dt,th,caption,summary,footer{color:var(--soft)}\n"
".tiles{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));margin:0;padding:0;list-style:none}\n"
".tiles li{border-left:3px solid var(--rule);padding-left:.7rem}\n"
".tiles b{display:block;font-size:1.6rem;line-height:1.25;font-variant-numeric:tabular-nums}\n"
".tiles .first{border-color:var(--main)}\n"
".tiles span{display:block;font-size:.85rem;line-height:1.35}\n"
"dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.2rem 1rem;margin:0}\n"
"dd{margin:0}\n"
".options{grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));gap:.2rem 1.5rem}\n"
".options div{display:flex;justify-content:space-between;gap:.5rem;border-bottom:1px solid var(--rule)}\n"
".charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}\n"
"figure{margin:0;min-width:0}\n"
"figcaption{font-weight:600;font-size:.95rem}\n"
".key{font-weight:400;font-size:.85rem;color:var(--soft)}\n"
".key i{display:inline-block;width:1.6em;vertical-align:.25em;margin:0 .3em 0 .8em;border-top:2.5px solid var(--main)}\n"
".key i:first-child{margin-left:0}.key .training{border-top:2.5px dashed var(--soft)}\n"
".key .wrong{border-color:var(--wrong)}\n"
".scroll{overflow-x:auto}\n"
".scroll:focus-visible,summary:focus-visible{outline:2px solid var(--main);outline-offset:2px}\n"
".chart{display:block;width:100%;height:auto;font-size:12px}\n"
".chart text{fill:var(--soft)}\n"
".chart .label{fill:var(--text)}\n"
".chart .others{fill:var(--soft);font-style:italic}\n"
".grid{stroke:var(--rule)}.axis{stroke:var(--soft)}\n"
".diagonal{stroke:var(--soft);stroke-dasharray:5 4}\n"
".kept{stroke:var(--soft);stroke-dasharray:2 3}.arrow{fill:var(--soft)}\n"
"path.training{fill:none;stroke:var(--soft);stroke-width:2;stroke-dasharray:5 3}circle.training{fill:var(--soft)}\n"
"path.validation{fill:none;stroke:var(--main);stroke-width:2.5}circle.validation{fill:var(--main)}\n"
".gap{stroke:var(--wrong);stroke-width:3}.point{fill:var(--main);stroke:var(--card)}.answers{fill:var(--main);opacity:.55}\n"
".ground{fill:var(--ground)}.mixed{fill:var(--mixed)}\n"
".chart .on-light{fill:var(--on-light)}.chart .on-dark{fill:var(--on-dark)}\n"
".d0{fill:var(--d0)}.d1{fill:var(--d1)}.d2{fill:var(--d2)}.d3{fill:var(--d3)}.d4{fill:var(--d4)}.d5{fill:var(--d5)}.d6{fill:var(--d6)}.d7{fill:var(--d7)}\n"
".e0{fill:var(--e0)}.e1{fill:var(--e1)}.e2{fill:var(--e2)}.e3{fill:var(--e3)}.e4{fill:var(--e4)}.e5{fill:var(--e5)}.e6{fill:var(--e6)}.e7{fill:var(--e7)}\n"
"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
"th,td{padding:.3rem .5rem .3rem 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule);font-size:.95rem}\n"
"td{white-space:nowrap}th{font-weight:600;font-size:.85rem;overflow-wrap:normal}\n"
"th[scope=row]{font-weight:400;font-size:.95rem;color:var(--text)}\n"
".left,th[scope=row]{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:6rem}\n"
"td:last-child,th:last-child{padding-right:0}\n"
".bar{display:block;width:100%;min-width:2.6rem;height:.4rem;border-radius:.2rem;margin-top:.1rem}\n"
".track{fill:var(--ground)}.fill{fill:var(--main)}.fill-wrong{fill:var(--wrong)}\n"
".plain td,.plain th{padding-right:.8rem}\n"
"details{margin-top:.75rem}summary{cursor:pointer;padding:.2rem 0}\n"
"code{font-size:.9em;background:var(--ground);border-radius:.25rem;padding:.1em .3em}\n"
"footer{font-size:.85rem}\n"
"@media (max-width:30rem){.extra{display:none}th,td,th[scope=row]{font-size:.82rem;padding-right:.3rem}th[scope=col]{font-size:.75rem}.left,th[scope=row]{min-width:5rem}h1{font-size:1.4rem}}\n"
"@media print{body{background:none}section{break-inside:avoid}}\n";

#endif							/* TEXTCLF_REPORT_STYLE_H */
