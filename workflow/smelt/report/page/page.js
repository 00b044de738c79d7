// What the page does beyond showing itself: tables that sort, search, filter and copy, and charts.
// Without it the page is whole: plain tables and pictures.

const names = JSON.parse(document.getElementById("names").textContent);

// ---- Tooltips, for pointer and keyboard

const tooltip = document.body.appendChild(Object.assign(document.createElement("div"), { id: "tooltip", hidden: true }));
tooltip.setAttribute("role", "tooltip");

function showTooltip(target, lines) {
  tooltip.replaceChildren(...lines.map((line) => Object.assign(document.createElement("div"), { textContent: line })));
  tooltip.hidden = false;
  const place = target.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tooltip.offsetWidth - 8;
  tooltip.style.left = `${Math.max(8, Math.min(place.left, room))}px`;
  const above = place.top - tooltip.offsetHeight - 8;
  tooltip.style.top = `${above > 0 ? above : place.bottom + 8}px`;
}

const hideTooltip = () => (tooltip.hidden = true);
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTooltip());
document.addEventListener("scroll", hideTooltip, { passive: true, capture: true });

// The browser shows a title to the pointer only: what explains a column is shown on focus, too.
function explainHead(head) {
  const help = head.getAttribute("title");
  if (!help) return;
  head.removeAttribute("title");
  head.classList.add("explained");
  const control = head.querySelector("[role=button], button") ?? head;
  if (control === head) head.tabIndex = 0;
  control.setAttribute("aria-description", help);
  for (const event of ["pointerenter", "focusin"]) head.addEventListener(event, () => showTooltip(head, [help]));
  for (const event of ["pointerleave", "focusout"]) head.addEventListener(event, hideTooltip);
}

// ---- Copy and download

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not every browser lets a page from a file use the clipboard.
    const area = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
}

function download(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function makeButton(label, act, name = "") {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  if (name) button.setAttribute("aria-label", name);
  button.addEventListener("click", () => act(button));
  return button;
}

// What a cell says, without the links to files behind it.
const textOf = (cell) => [...cell.childNodes].filter((node) => !node.matches?.(".files")).map((node) => node.textContent).join("");

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

// The rows as they stand in the table now: filtered, sorted, from all its pages.
function asCsv(table) {
  const grouped = table.table().node().classList.contains("grouped");
  const columns = table.columns(":visible").indexes().toArray();
  const text = (node) => textOf(node).trim().replace(/\s+/g, " ");
  const heads = columns.map((place) => text(table.column(place).header()));
  const rows = table.rows({ search: "applied", order: "applied" }).nodes().toArray();
  const lines = rows.map((row) => {
    const cells = columns.map((place) => text(table.cell(row, place).node()));
    return grouped ? [row.dataset.group ?? "", ...cells] : cells;
  });
  return [grouped ? ["group", ...heads] : heads, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n");
}

// ---- What rows and columns are about, and the filter

const kinds = {
  models: { title: "Models", names: Object.keys(names.models) },
  makers: { title: "Makers", names: [...new Set(Object.values(names.models))] },
  tasks: { title: "Tasks", names: names.tasks },
  languages: { title: "Languages", names: names.languages },
};
const chosen = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, new Set()])); // empty: all
const known = Object.fromEntries(Object.entries(kinds).map(([kind, { names }]) => [kind, new Set(names)]));

// A head may name one thing, two models that are compared, or a thing and what is shown of it.
function namesIn(text) {
  const parts = [text, ...text.split(" – "), text.split(": ")[0], text.replace(/ \([^)]*\)$/, "")];
  const found = (kind) => [...new Set(parts.filter((part) => known[kind].has(part)))];
  const models = found("models");
  const makers = [...new Set(models.map((model) => names.models[model]))];
  return { models, makers, tasks: found("tasks"), languages: found("languages") };
}

// What names nothing of a kind is shown whatever is chosen of that kind.
function isChosen(about) {
  return Object.entries(chosen).every(
    ([kind, some]) => !some.size || !about[kind].length || about[kind].some((name) => some.has(name)),
  );
}

const rowsAbout = new WeakMap();

function aboutRow(row) {
  if (!rowsAbout.has(row)) {
    const [own, group] = [namesIn(textOf(row.cells[0]).trim()), namesIn(row.dataset.group ?? "")];
    const both = Object.keys(own).map((kind) => [kind, own[kind].length ? own[kind] : group[kind]]);
    rowsAbout.set(row, Object.fromEntries(both));
  }
  return rowsAbout.get(row);
}

function filterColumns(table) {
  const grouped = table.table().node().classList.contains("grouped");
  const columns = table.columns().indexes().toArray();
  for (const place of columns.slice(1, grouped ? -1 : undefined)) {
    const wanted = isChosen(namesIn(table.column(place).header().textContent.trim()));
    if (table.column(place).visible() !== wanted) table.column(place).visible(wanted, false);
  }
}

function filterPage() {
  for (const figure of document.querySelectorAll("figure.table")) {
    const about = namesIn(/^table-(?:pairs|correlations)-(.*)$/.exec(figure.id)?.[1] ?? "");
    (figure.closest("details") ?? figure).hidden = !isChosen(about);
  }
  for (const table of tables.values()) {
    filterColumns(table);
    table.draw();
  }
  document.querySelectorAll("figure:has(> .chart)").forEach(filterPanels);
}

const chartOf = (figure) => JSON.parse(figure.querySelector("script.chart").textContent);

const panelsAbout = new WeakMap(); // a chart is long: it is not read again for each choice

// A panel is about the task, language or model in its title, and marks in it stay whatever is chosen; a figure without a
// panel is hidden as a whole.
function filterPanels(figure) {
  if (!panelsAbout.has(figure)) panelsAbout.set(figure, chartOf(figure).panels.map((panel) => namesIn(panel.description)));
  const shown = panelsAbout.get(figure).map(isChosen);
  (figure.closest("details") ?? figure).hidden = !shown.some(Boolean);
  figure.querySelectorAll(".panel").forEach((box, place) => (box.hidden = !shown[place]));
}

function menuOf(kind) {
  const menu = document.createElement("details");
  const label = menu.appendChild(document.createElement("summary"));
  const list = menu.appendChild(document.createElement("fieldset"));
  list.appendChild(Object.assign(document.createElement("legend"), { textContent: `${kinds[kind].title} to show` }));
  const name = () => {
    const some = chosen[kind];
    label.textContent = `${kinds[kind].title}: ${some.size ? [...some].join(", ") : "all"}`;
  };
  for (const value of kinds[kind].names) {
    const line = list.appendChild(document.createElement("label"));
    const box = line.appendChild(Object.assign(document.createElement("input"), { type: "checkbox", value }));
    line.append(` ${value}`);
    box.addEventListener("change", () => {
      chosen[kind][box.checked ? "add" : "delete"](value);
      name();
      filterPage();
    });
  }
  const all = makeButton("All", () => {
    chosen[kind].clear();
    for (const box of list.querySelectorAll("input")) box.checked = false;
    name();
    filterPage();
  }, `Show all ${kinds[kind].title.toLowerCase()}`);
  list.append(all);
  name();
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      label.focus();
    }
  });
  return menu;
}

function buildFilter() {
  const worth = Object.keys(kinds).filter((kind) => kinds[kind].names.length > 1);
  const bar = document.getElementById("filter");
  if (!worth.length) return;
  bar.append("Show in all tables, and among the panels of charts ", ...worth.map(menuOf));
  bar.hidden = false;
  document.addEventListener("click", (event) => {
    for (const menu of bar.querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}

// ---- Tables

const UNITS = { s: 1, min: 60, h: 3600, day: 86400, days: 86400, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };
Object.assign(UNITS, { Wh: 1, kWh: 1e3, MWh: 1e6, g: 1, kg: 1e3, t: 1e6 });
const ROWS = 25; // of a page of a table
const tables = new Map();

// The number that a cell opens with, in the smallest unit of its kind; "" where there is none.
function numberIn(cell) {
  const own = [...cell.childNodes].filter((node) => !node.matches?.("sup, .detail"));
  const text = own.map((node) => node.textContent).join("").trim().replaceAll(",", "").replace(/^−/, "-");
  const found = /^[<+]?\s*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([a-zA-Z]*)/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2]] ?? 1) : "";
}

// Cells without a number come last in both directions.
const compare = (sign) => (one, other) => (one === "" ? (other === "" ? 0 : 1) : other === "" ? -1 : sign * (one - other));
Object.assign(DataTable.ext.type.order, { "measure-asc": compare(1), "measure-desc": compare(-1) });
DataTable.ext.search.push((settings, _texts, place) => isChosen(aboutRow(settings.aoData[place].nTr)));

function columnsOf(element) {
  const rows = [...element.tBodies[0].rows];
  return [...element.tHead.rows[0].cells].map((_, place) => {
    const cells = rows.map((row) => row.cells[place]);
    const numbers = cells.map(numberIn);
    const empty = cells.filter((cell) => /^(–|N\/A|)$/.test(cell.textContent.trim())).length;
    const measured = place > 0 && numbers.filter((number) => number !== "").length > (cells.length - empty) / 2;
    if (measured) cells.forEach((cell, row) => (cell.dataset.order ??= numbers[row])); // a group has its place
    else if (place === 0) cells.forEach((cell) => (cell.dataset.order = textOf(cell).trim()));
    return measured ? { type: "measure", orderSequence: ["desc", "asc", ""] } : { type: "string" };
  });
}

// DataTables knows one body; a hidden last column keeps the group of each row, by which rows are ordered first.
function flattenGroups(element) {
  const [first, ...others] = element.tBodies;
  for (const [number, body] of [first, ...others].entries()) {
    const title = body.querySelector(":scope > tr > th.group");
    title?.parentElement.remove();
    for (const row of body.rows) {
      row.dataset.place = number;
      if (title) row.dataset.group = title.textContent;
    }
    if (body !== first) first.append(...body.rows);
  }
  for (const body of others) body.remove();
  const grouped = others.length > 0 || Boolean(first.querySelector("[data-group]"));
  if (!grouped) return false;
  element.classList.add("grouped");
  element.tHead.rows[0].append(Object.assign(document.createElement("th"), { textContent: "Group" }));
  for (const row of first.rows) {
    const cell = row.appendChild(Object.assign(document.createElement("td"), { textContent: row.dataset.group ?? "" }));
    cell.dataset.order = row.dataset.place;
  }
  return true;
}

// The title of a group stands above the first of its rows that are shown.
function titleGroups(table) {
  const body = table.table().body();
  for (const row of body.querySelectorAll("tr.title")) row.remove();
  const columns = table.columns(":visible").count();
  let last = null;
  for (const row of [...body.rows]) {
    row.classList.toggle("first", last !== null && row.dataset.place !== last && row.dataset.place !== undefined);
    if (row.dataset.place === last || !row.dataset.place) continue;
    last = row.dataset.place;
    if (!row.dataset.group) continue;
    const title = document.createElement("tr");
    title.className = "title";
    title.innerHTML = '<th class="group" scope="rowgroup"></th>';
    title.firstChild.colSpan = columns;
    title.firstChild.textContent = row.dataset.group;
    row.before(title);
  }
}

function enhance(region) {
  const element = region.querySelector("table");
  if (!element || tables.has(element)) return;
  const figure = region.closest("figure");
  const caption = region.getAttribute("aria-label");
  const grouped = flattenGroups(element);
  const columns = columnsOf(element);
  if (grouped) columns[columns.length - 1] = { visible: false, type: "num" };
  const count = element.tBodies[0].rows.length;
  const long = count > 2 * ROWS;
  const table = new DataTable(element, {
    autoWidth: false,
    columns,
    order: [],
    paging: long,
    pageLength: ROWS,
    lengthMenu: [ROWS, 100, { label: "all", value: -1 }],
    ordering: count > 1,
    searching: true,
    layout: {
      topStart: count > 8 ? { search: { placeholder: "Search this table" } } : null,
      topEnd: null,
      bottomStart: long ? ["info", "pageLength"] : null,
      bottomEnd: long ? "paging" : null,
    },
    language: {
      search: "Search",
      emptyTable: "Empty",
      zeroRecords: "No row is left by the search and the filter",
      info: "Rows _START_ to _END_ of _TOTAL_",
      infoEmpty: "No rows",
      infoFiltered: "(_MAX_ without search and filter)",
      lengthMenu: "_MENU_ rows a page",
    },
    ...(grouped && { orderFixed: { pre: [[columns.length - 1, "asc"]] } }), // order is within groups
    drawCallback: function () {
      if (grouped) titleGroups(this.api());
    },
  });
  tables.set(element, table);
  // Keyboards scroll the table, not the box with its buttons.
  const scrolled = element.parentElement;
  for (const name of ["role", "tabindex", "aria-label"]) {
    scrolled.setAttribute(name, region.getAttribute(name));
    region.removeAttribute(name);
  }
  scrolled.classList.add("scroll");
  region.classList.remove("scroll");
  element.querySelectorAll("thead th").forEach(explainHead);
  region.before(toolsOf(figure, table, caption));
  filterColumns(table);
  table.draw();
}

function toolsOf(figure, table, caption) {
  const name = figure.id.replace(/^table-/, "");
  const tools = Object.assign(document.createElement("div"), { className: "tools" });
  tools.append(
    makeButton("Copy", (button) => copy(asCsv(table).replaceAll(/\r\n/g, "\n"), button), `Copy as CSV: ${caption}`),
    makeButton("CSV", () => download(asCsv(table), `${name}.csv`, "text/csv"), `Download as CSV: ${caption}`),
  );
  const latex = figure.querySelector("script.latex")?.textContent.trim();
  if (latex && !figure.querySelector(".tools"))
    tools.append(
      makeButton("Copy LaTeX", (button) => copy(`${latex}\n`, button), `Copy as LaTeX: ${caption}`),
      makeButton("LaTeX", () => download(`${latex}\n`, `${name}.tex`, "text/x-tex"), `Download as LaTeX: ${caption}`),
    );
  return tools;
}

// Tables become interactive when they come near to the window: of hundreds, few are looked at.
function watch(selector, act) {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        act(target);
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(selector).forEach((element) => observer.observe(element));
}

// ---- Charts

const dark = matchMedia("(prefers-color-scheme: dark)");

function chartLook() {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, rule] = ["--ink", "--quiet", "--rule"].map((name) => style.getPropertyValue(name).trim());
  const axis = { labelColor: ink, titleColor: ink, domainColor: quiet, tickColor: quiet, gridColor: rule };
  Object.assign(axis, { titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12, titlePadding: 8 });
  const font = getComputedStyle(document.body).fontFamily;
  const axisX = { grid: false };
  return { background: null, font, axisX, text: { fill: ink }, view: { stroke: null }, axis, title: { color: ink, fontSize: 13, fontWeight: 600 } };
}

// Charts have palettes for a light ground: of them only black cannot be seen on a dark one.
const inInk = (specification) =>
  JSON.parse(JSON.stringify(specification).replaceAll('"#000000"', JSON.stringify(chartLook().title.color)));

const SIDES = ["right", "top-right", "bottom-right", "left", "top-left", "bottom-left", "top", "bottom"];

// Names stand where they cover no mark and no other name, those on a line first; without room a name is left to the
// tooltip. Vega finds such places, but Vega-Lite has no words to ask for it.
function placeNames(compiled) {
  const named = (type) => compiled.marks.find((mark) => mark.type === type);
  const names = named("text");
  if (!names) return compiled;
  const { x, y, dx, dy, align, baseline, opacity, ...look } = names.encode.update; // the transform sets these
  names.from = { data: named("symbol").name };
  names.encode.update = { ...look, text: { field: "datum.label" }, fillOpacity: { field: "opacity" } }; // the mark's own
  names.transform = [{
    type: "label",
    size: [{ signal: "max(width, 1)" }, { signal: "height" }], // paper hides charts: they have no width
    sort: { field: ["datum.datum.kind", "datum.datum.y"], order: ["ascending", "descending"] },
    anchor: [...SIDES, ...SIDES, ...SIDES],
    offset: [2, 6, 11].flatMap((pixels) => SIDES.map(() => pixels)),
    avoidMarks: compiled.marks.filter((mark) => mark.type === "rule" || mark.type === "group").map((mark) => mark.name),
  }];
  return compiled;
}

function tooltipOf(_handler, event, item, value) {
  if (!value || !item) return hideTooltip();
  showTooltip(event.target, String(value).split("\n"));
}

// One stop of the tab key for a panel; arrows go from mark to mark.
function makeReachable(box) {
  const marks = [...box.querySelectorAll('.mark-symbol [aria-label], .mark-rect [aria-label], .mark-rule [aria-label]:not([aria-label=""])')];
  marks.forEach((mark, place) => {
    mark.setAttribute("tabindex", place === 0 ? "0" : "-1");
    mark.setAttribute("role", "img");
    mark.addEventListener("focus", () => showTooltip(mark, mark.getAttribute("aria-label").split("\n")));
    mark.addEventListener("blur", hideTooltip);
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = marks[(place + step + marks.length) % marks.length];
      mark.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  });
}

const SIGNS = { circle: "●", square: "■", "triangle-up": "▲", diamond: "◆", "triangle-down": "▼", cross: "✚", "triangle-right": "▶" };

function legendOf(series, views) {
  const legend = Object.assign(document.createElement("div"), { className: "legend" });
  const off = new Set();
  for (const { name, color, shape } of series) {
    const button = makeButton(name, () => {
      off[off.has(name) ? "delete" : "add"](name);
      button.setAttribute("aria-pressed", String(!off.has(name)));
      for (const view of views) view.signal("off", [...off]).run();
    });
    button.setAttribute("aria-pressed", "true");
    const sign = Object.assign(document.createElement("span"), { textContent: SIGNS[shape] });
    sign.setAttribute("aria-hidden", "true");
    sign.style.color = color === "#000000" ? "inherit" : color;
    button.prepend(sign, " ");
    legend.append(button);
  }
  return legend;
}

// Panels come and go by the filter: those that are left get their room, and those that come back their width.
function followWidth(box, view) {
  let width = box.clientWidth;
  const observer = new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    if (width) view.signal("width", width).runAsync();
  });
  observer.observe(box);
}

async function drawChart(figure) {
  const { series, panels } = chartOf(figure);
  figure.querySelector(".charts")?.remove();
  const charts = Object.assign(document.createElement("div"), { className: "charts" });
  const grid = Object.assign(document.createElement("div"), { className: "panels" });
  const boxes = panels.map(() => grid.appendChild(Object.assign(document.createElement("div"), { className: "panel" })));
  const views = [];
  if (series.length > 1) charts.append(legendOf(series, views));
  charts.append(grid);
  figure.querySelector(".scroll").after(charts);
  const options = { mode: "vega-lite", actions: false, renderer: "svg", config: chartLook(), tooltip: tooltipOf, patch: placeNames };
  for (const [place, box] of boxes.entries()) {
    const { view } = await vegaEmbed(box, inInk(panels[place]), options);
    views.push(view);
    followWidth(box, view);
    makeReachable(box);
  }
  figure.classList.add("charted");
  filterPanels(figure);
}

dark.addEventListener("change", () => document.querySelectorAll("figure.charted").forEach(drawChart));

// ---- Paper: everything that is folded or on another page of a table is printed, too

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main details:not([open], .screen, #filter *)")];
  for (const one of closed) one.open = true;
  for (const [element, table] of tables) {
    if (table.page.len() > 0 && table.page.info().pages > 1 && !element.closest(".screen")) table.page.len(-1).draw();
  }
});
addEventListener("afterprint", () => {
  for (const one of closed) one.open = false;
  for (const table of tables.values()) if (table.page.len() < 0 && table.rows().count() > 2 * ROWS) table.page.len(ROWS).draw();
});

for (const block of document.querySelectorAll("pre.copied")) {
  block.before(makeButton("Copy", (button) => copy(block.textContent, button), "Copy the text below"));
}

buildFilter();
watch("figure.table .scroll", enhance);
watch("figure.drawing:has(.chart)", drawChart);
document.documentElement.classList.add("interactive");
