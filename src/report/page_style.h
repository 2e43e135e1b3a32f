#pragma once

namespace peft {

/// The page's style sheet: one column on a narrow screen, two of charts on a wide one, the colours
/// that the reader's system prefers.
inline constexpr const char* kPageStyle = R"css(
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #fff; --ink: #1d2129; --soft: #626a76; --line: #dfe2e6;
  --first: #0b63c5; --second: #c2410c; --third: #15803d; --fourth: #7c3aed; --trained: #cdeed5; --trained-ink: #0f4d22; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181d; --card: #1d2128; --ink: #e6e8eb; --soft: #9aa3af;
  --line: #343a44; --first: #6cb0ff; --second: #ff9b66; --third: #5fd38a; --fourth: #b794ff; --trained: #1d4a2b; --trained-ink: #c9f5d6; --warn: #ffc27a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { margin: .3rem 0; } .soft, figcaption, th { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1rem 0; }
.tile, figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; margin: 0; }
.tile b { display: block; font-size: 1.2rem; font-weight: 600; } .tile span { color: var(--soft); font-size: .85rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .8rem; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 13px; }
.grid { stroke: var(--line); stroke-width: 1; } path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
path.series-0 { stroke: var(--first); } path.series-1 { stroke: var(--second); } path.series-2 { stroke: var(--third); } path.series-3 { stroke: var(--fourth); }
circle.series-0 { fill: var(--first); } circle.series-1 { fill: var(--second); } circle.series-2 { fill: var(--third); } circle.series-3 { fill: var(--fourth); }
.legend span { margin-right: 1rem; } .legend span::before { content: "\2014\00a0"; font-weight: 700; }
span.series-0::before { color: var(--first); } span.series-1::before { color: var(--second); } span.series-2::before { color: var(--third); } span.series-3::before { color: var(--fourth); }
.scroll { overflow-x: auto; } .narrow { max-width: 36rem; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; }
td.number, th.number { text-align: right; white-space: nowrap; }
.bar { height: .55rem; background: var(--first); border-radius: .2rem; min-width: 1px; } td.wide { width: 45%; }
pre { margin: .2rem 0 0; white-space: pre-wrap; font: 13px/1.55 ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; color: var(--soft); }
mark { background: var(--trained); color: var(--trained-ink); border-radius: .15rem; text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: 3px; }
.card + .card { margin-top: .6rem; } .warning { color: var(--warn); } details summary { cursor: pointer; } code { font-size: .92em; }
@media (max-width: 40rem) { svg text { font-size: 18px; } }
@media print { body { max-width: none; } .card, figure { break-inside: avoid; } }
)css";

}  // namespace peft
