// SPDX-License-Identifier: Apache-2.0

/** Colours as pairs that are read on each other; a test keeps every pair at a contrast of 4.5 and more. */
export const colours = {
  light: {
    paper: '#fbfaf7',
    sheet: '#ffffff',
    ink: '#1e1d1a',
    quiet: '#5d5950',
    line: '#d8d3c8',
    accent: '#0b5566',
    wash: '#f1eee7',
    good: '#1c5a33',
    'caution-ink': '#5a3a00',
    'caution-wash': '#fdf1d0',
    'danger-ink': '#8a1a10',
    'danger-wash': '#fdeae6',
  },
  dark: {
    paper: '#151513',
    sheet: '#1d1d1a',
    ink: '#ece9e2',
    quiet: '#aea99e',
    line: '#3d3b36',
    accent: '#86cbdb',
    wash: '#272622',
    good: '#93d4a8',
    'caution-ink': '#f2d68f',
    'caution-wash': '#382c0d',
    'danger-ink': '#ffb8ac',
    'danger-wash': '#3e1913',
  },
} as const;

const variables = (set: { readonly [name: string]: string }): string =>
  Object.entries(set)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** The one stylesheet of all pages; it loads nothing. */
export const css = `
:root{color-scheme:light dark;${variables(colours.light)}}
@media (prefers-color-scheme:dark){:root{${variables(colours.dark)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;overflow-wrap:break-word}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--sheet);padding:.5rem .75rem;z-index:1}
.bar{border-bottom:1px solid var(--line)}
.bar>div,main,.foot>div{max-width:56rem;margin:0 auto;padding:0 1.25rem}
.bar>div{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline;padding-top:.8rem;padding-bottom:.8rem}
.bar .name{font-weight:650;letter-spacing:.01em;color:inherit;text-decoration:none}
.bar .who{margin-left:auto;color:var(--quiet);font-size:.9rem}
.foot{border-top:1px solid var(--line);margin-top:3rem;color:var(--quiet);font-size:.875rem}
.foot>div{padding-top:1rem;padding-bottom:2.5rem}
h1{font-size:clamp(1.45rem,1.1rem + 1.6vw,2rem);line-height:1.2;letter-spacing:-.012em;margin:2rem 0 .5rem;text-wrap:balance}
h2{font-size:1.1rem;line-height:1.3;margin:0 0 .75rem}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.5rem 0;max-width:44rem}
.lead{font-size:1.0625rem}
.target{font-size:1.05rem;margin:0 0 .75rem}
.quiet{color:var(--quiet)}
.small{font-size:.9rem}
section{border-top:1px solid var(--line);padding:1.5rem 0 .25rem;margin-top:1.5rem}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.9em}
code{overflow-wrap:anywhere}
.escape{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.85em;border:1px solid currentColor;border-radius:3px;padding:0 .2em;margin:0 .1em;white-space:nowrap}
pre{margin:.5rem 0 1rem;padding:.85rem 1rem;background:var(--wash);border:1px solid var(--line);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;direction:ltr;unicode-bidi:bidi-override;line-height:1.5}
pre.bytes{word-break:break-all}
pre.content span.line{display:block;padding-left:4ch;text-indent:-4ch}
pre.command{user-select:all;-webkit-user-select:all;border-left:3px solid var(--accent)}
bdi.own{unicode-bidi:isolate}
.note{border:1px solid currentColor;border-left-width:5px;border-radius:6px;padding:.7rem 1rem;margin:1rem 0;max-width:none}
.note p{margin:.25rem 0}
.note strong:first-child{display:block}
.caution{background:var(--caution-wash);color:var(--caution-ink)}
.danger{background:var(--danger-wash);color:var(--danger-ink)}
.note a,.note .quiet{color:inherit}
.plain{border-color:var(--line)}
.you{border-left:5px solid var(--accent);padding-left:1rem;margin:1rem 0}
.state{display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:baseline;margin:0 0 .5rem}
.word{font-weight:650;font-size:1.15rem}
.dots{letter-spacing:.15em;font-size:1.15rem;line-height:1}
.tag{display:inline-block;border:1px solid currentColor;border-radius:999px;padding:0 .6em;font-size:.85rem;line-height:1.6;white-space:nowrap}
.tag.caution,.tag.danger{border-color:transparent}
dl{display:grid;grid-template-columns:minmax(8rem,12rem) minmax(0,1fr);gap:.35rem 1.25rem;margin:.5rem 0 1rem}
dt{color:var(--quiet)}
dd{margin:0;min-width:0}
ul{margin:.4rem 0 .8rem;padding-left:1.2rem}
li{margin:.25rem 0;max-width:44rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}
th,td{text-align:left;vertical-align:top;padding:.5rem 1rem .5rem 0;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--quiet);font-size:.9rem}
tbody th{color:inherit;font-size:1em}
.words{font-size:1.35rem;font-weight:600;letter-spacing:.01em;margin:.25rem 0 .5rem;max-width:none}
blockquote{margin:.5rem 0 1rem;padding:.1rem 0 .1rem 1rem;border-left:3px solid var(--line)}
details{margin:.75rem 0}
summary{cursor:pointer;padding:.3rem 0;color:var(--accent)}
form{max-width:34rem}
label{display:block;font-weight:600;margin:1rem 0 .35rem}
input{width:100%;font:inherit;font-family:ui-monospace,Menlo,Consolas,monospace;padding:.6rem .7rem;border:1px solid var(--quiet);border-radius:6px;background:var(--sheet);color:var(--ink)}
button{font:inherit;font-weight:600;margin-top:1rem;padding:.6rem 1.2rem;border:0;border-radius:6px;background:var(--accent);color:var(--paper);cursor:pointer}
.inline{display:inline;margin-left:.6rem}
.plain-button{background:none;color:var(--accent);font-weight:400;margin:0;padding:0;border-radius:0;text-decoration:underline}
.list{list-style:none;padding:0;margin:1rem 0}
.list li{max-width:none;margin:0;padding:1rem 0;border-top:1px solid var(--line);display:grid;grid-template-columns:minmax(0,1fr) auto;gap:.15rem 1.5rem}
.list a{font-weight:600;text-decoration-thickness:1px;text-underline-offset:.15em}
.list .side{text-align:right;white-space:nowrap}
@media (max-width:40rem){
dl{grid-template-columns:1fr;gap:.1rem}
dd{margin-bottom:.6rem}
.list li{grid-template-columns:1fr}
.list .side{text-align:left}
.bar .who{margin-left:0;flex-basis:100%}
.inline{margin-left:0;display:block}
thead{position:absolute;left:-999rem}
tr{display:block;border-bottom:1px solid var(--line);padding:.5rem 0}
tbody th,td{display:block;border:0;padding:.1rem 0}
td[data-label]::before{content:attr(data-label) ": ";color:var(--quiet)}
}
@media print{.skip,.bar .who{display:none}pre{border:1px solid}}
`;
