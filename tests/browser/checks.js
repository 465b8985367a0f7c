// What a page must not lack for people who use it by keyboard, by ear or in dim light. Returns
// sentences; none is good.
const found = [];
const say = (text, node) => found.push(node ? `${text}: ${node.outerHTML.slice(0, 120)}` : text);
const shown = (node) => node.checkVisibility({ visibilityProperty: true });
const name = (node) =>
  (node.getAttribute("aria-label") ?? node.textContent ?? "").trim() || node.title;

if (!document.documentElement.lang) say("the page has no language");
if (!document.title) say("the page has no title");
if (document.querySelectorAll("main").length !== 1) say("there is not exactly one main");
if (document.querySelectorAll("h1").length !== 1) say("there is not exactly one h1");
if (!document.querySelector("a.skip[href='#main']")) say("the content cannot be skipped to");

let level = 0;
for (const heading of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
  if (!shown(heading)) continue;
  const own = Number(heading.tagName[1]);
  if (own > level + 1) say("a level of headings is left out", heading);
  level = own;
}

const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) say(`two elements are #${id}`);
for (const node of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
  const named = `${node.getAttribute("aria-describedby") ?? ""} ${node.getAttribute("aria-labelledby") ?? ""}`;
  for (const id of named.split(/\s+/).filter(Boolean)) {
    if (!document.getElementById(id)) say(`#${id} is named and missing`, node);
  }
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (!field.labels.length && !field.getAttribute("aria-label")) say("a field has no label", field);
}
for (const node of document.querySelectorAll("button, a[href], summary")) {
  if (!name(node)) say("a control has no name", node);
}
for (const table of document.querySelectorAll("table")) {
  if (!table.querySelector("th[scope]")) say("a table has no headings", table);
}
for (const form of document.querySelectorAll("form[method=post]")) {
  if (!form.querySelector("button")) say("a form cannot be sent", form);
}
for (const svg of document.querySelectorAll("svg:not([aria-hidden=true]), img:not([alt])")) {
  const title = svg.getAttribute("role") === "img" && svg.querySelector(":scope > title");
  if (!title || !title.textContent.trim()) say("a picture says nothing", svg);
}
if (document.documentElement.scrollWidth > window.innerWidth + 1) say("the page is wider than the window");

// WCAG 2.2, 1.4.3: contrast of text.
const parse = (color) => {
  const parts = color.match(/[\d.]+/g).map(Number);
  return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
};
const light = ({ rgb }) => {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.alpha === 1) return color;
  }
  return { rgb: [255, 255, 255] };
};
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !shown(node) || node.closest("svg, template, [disabled], .hidden, .skip")) continue;
  const style = getComputedStyle(node);
  const [a, b] = [light(parse(style.color)), light(behind(node))].sort((x, y) => y - x);
  const size = Number.parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, node);
}
return found;
