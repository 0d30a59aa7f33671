// Keeps a page up to date: asks for JSON every two seconds and fills the cells that are there.
// The page can be read without it. It loads nothing from elsewhere and changes nothing.
"use strict";

const ROOT = document.body.dataset.root;
const EVERY = 2000;
const PATIENCE = 15000;
const SHORTEST = 60;
const PACKETS = 500;

// ---- values for people: as shell/operations/tables.py writes them ----

const digits = (amount) => (amount < 9.95 ? amount.toFixed(1) : amount.toFixed(0));

function duration(seconds) {
  if (seconds < 0.05) return "0 s";
  if (seconds < 99.5) return `${digits(seconds)} s`;
  if (seconds < 99.5 * 60) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 48 * 3600 ? `${digits(seconds / 3600)} h` : `${digits(seconds / 86400)} d`;
}

function size(count) {
  if (count < 1000) return `${count} B`;
  const names = ["TiB", "GiB", "MiB", "KiB"];
  let amount = count / 1024;
  while (amount >= 999.5 && names.length > 1) {
    amount /= 1024;
    names.pop();
  }
  return `${digits(amount)} ${names.at(-1)}`;
}

const printable = (value) => String(value).replace(/\s/g, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
const counted = (count, what) => (count === 1 ? `1 ${what}` : `${count} ${what}s`);
const amount = (value) => (value >= 99.5 ? value.toFixed(0) : value.toFixed(1));
const two = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const day = (date) => `${two(date.getDate())} ${MONTHS[date.getMonth()]}`;
const moment = (at) => `${day(new Date(at * 1000))} ${clock(new Date(at * 1000))}`;

const SHOW = {
  printable,
  duration,
  size,
  str: String,
  stripped: (value) => printable(value).trim(),
  memory: (value) => (value ? size(value) : ""),
  spent: (value) => (value ? duration(value) : ""),
  yes: (value) => (value ? "yes" : ""),
  no: (value) => (value ? "" : "no"),
  id: (value) => printable(value),
  number: (value) => (value ? String(value) : ""),
  names: (values) => printable(values.join(", ")),
  load: (value) => (value ? value.toFixed(2) : ""),
  granted: (grants) => printable(grants.map((grant) => `${grant.network} until ${moment(grant.until).slice(0, -3)}`).join(", ")),
  pool_state: (_, row) => (row.state === "serving" && row.at_maximum ? "at its maximum" : printable(row.state)),
  doing: (_, row) => (row.asking ? "asks" : row.busy ? "busy" : ""),
};

// ---- sparklines: as pages.py draws them ----

function drawn(times, values, most, wide, high) {
  const top = Math.max(most, ...values.filter((value) => value !== null));
  const last = times.at(-1) ?? 0;
  const span = Math.max(SHORTEST, last - (times[0] ?? 0));
  const runs = [];
  let joined = false;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      joined = false;
      return;
    }
    const point = [(wide - ((last - times[index]) / span) * wide).toFixed(1), (1 + (high - 2) * (1 - value / top)).toFixed(1)];
    if (joined) runs.at(-1).push(point);
    else runs.push([point]);
    joined = true;
  });
  const line = runs.map((run) => "M" + run.map((point) => point.join(" ")).join("L")).join("");
  const area = runs.map((run) => `M${run[0][0]} ${high}L${run.map((point) => point.join(" ")).join("L")}L${run.at(-1)[0]} ${high}Z`);
  return { line, area: area.join("") };
}

function draw(svg, times, values, most) {
  const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
  const { line, area } = drawn(times, values, most, wide, high);
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".area").setAttribute("d", area);
}

function newSpark(label) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [name, value] of Object.entries({ class: "spark", viewBox: "0 0 96 20", preserveAspectRatio: "none", role: "img", "aria-label": label }))
    svg.setAttribute(name, value);
  for (const name of ["area", "line"]) svg.appendChild(document.createElementNS(space, "path")).setAttribute("class", name);
  return svg;
}

function rates(times, counts) {
  let last = null;
  return counts.map((count, index) => {
    if (count === null || count === undefined) return null;
    const before = last;
    last = [times[index], count];
    return before !== null && last[0] > before[0] && count >= before[1] ? (count - before[1]) / (last[0] - before[0]) : null;
  });
}

const latest = (values) => values.findLast((value) => value !== null && value !== undefined) ?? 0;

// ---- the history: what is new is added to what is there ----

let past = null;

function remember(news) {
  if (past === null || news.at.length >= news.length) {
    past = news;
    return;
  }
  const before = past.at.length;
  const join = (old, fresh) => {
    const joined = {};
    for (const name of new Set([...Object.keys(old ?? {}), ...Object.keys(fresh ?? {})])) {
      const added = fresh?.[name] ?? news.at.map(() => null);
      joined[name] = [...(old?.[name] ?? new Array(before).fill(null)), ...added].slice(-news.length);
    }
    return joined;
  };
  const series = (from) => Object.fromEntries(Object.entries(from).filter(([name, value]) => Array.isArray(value) && name !== "at"));
  const grouped = (kind) => {
    const joined = {};
    for (const name of Object.keys(news[kind])) joined[name] = join(past[kind][name], news[kind][name]);
    return joined;
  };
  past = {
    ...news,
    ...join(series(past), series(news)),
    at: [...past.at, ...news.at].slice(-news.length),
    pools: grouped("pools"),
    hosts: grouped("hosts"),
  };
}

function chart(kind, name, row) {
  if (kind === "hosts") return [past.hosts[row.id]?.load ?? [], Math.max(1, row.cores)];
  const values = past.pools[row.pool]?.[name] ?? [];
  return [name === "evaluations" ? rates(past.at, values) : values, 1];
}

// ---- filling the page ----

const byId = (id) => document.getElementById(id);

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function keyOf(part, row) {
  if (part === "pools") return row.pool;
  if (part === "links") return `${row.frontend} ${row.client}`;
  return part === "hosts" || part === "frontends" ? row.id : row.kernel;
}

function fillCell(cell, head, text) {
  if ((head.dataset.name === "state" || head.dataset.show === "doing") && cell.dataset.value !== text) cell.dataset.value = text;
  if (head.dataset.name !== "kernel") {
    put(cell, text);
    return;
  }
  let link = cell.querySelector("a");
  if (!text) {
    cell.replaceChildren();
  } else if (!link || link.textContent !== text) {
    link = document.createElement("a");
    link.href = `${ROOT}session/${encodeURIComponent(text)}`;
    link.textContent = text;
    cell.replaceChildren(link);
  }
}

function fillTable(part, rows) {
  const table = document.querySelector(`table[data-part="${part}"]`);
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((line) => [line.dataset.key, line]));
  const full = heads.map(() => false);
  let place = body.firstElementChild;
  for (const row of rows) {
    const key = keyOf(part, row);
    let line = known.get(key);
    known.delete(key);
    if (!line) {
      line = document.createElement("tr");
      line.dataset.key = key;
      for (const head of heads) {
        const cell = line.insertCell();
        cell.className = head.className;
        if (head.dataset.chart) cell.append(newSpark(`${head.textContent} of ${row.pool ?? row.name}`));
      }
    }
    heads.forEach((head, index) => {
      if (head.dataset.chart) {
        full[index] = true;
        if (past) draw(line.cells[index].firstElementChild, past.at, ...chart(part, head.dataset.chart, row));
        return;
      }
      const text = SHOW[head.dataset.show](row[head.dataset.name], row);
      full[index] ||= text !== "" || head.classList.contains("r0");
      fillCell(line.cells[index], head, text);
    });
    // Moved only where it is elsewhere, since moving takes the keyboard's focus away.
    if (line === place) place = place.nextElementSibling;
    else body.insertBefore(line, place);
  }
  for (const line of known.values()) line.remove();
  heads.forEach((head, index) => (head.hidden = rows.length > 0 && !full[index]));
  for (const line of body.rows) heads.forEach((head, index) => (line.cells[index].hidden = head.hidden));
  const section = byId(part);
  section.querySelector(".none").hidden = rows.length > 0;
}

function countOf({ all, matching, shown }) {
  const told = matching < all ? `${matching} of ${all} match` : String(all);
  return shown < matching ? `${told}; the newest ${shown} are shown` : told;
}

function fillHead(status) {
  put(byId("broker"), printable(status.broker));
  const health = byId("health");
  put(health, status.health);
  health.dataset.value = status.health;
  document.title = document.title.replace(/^(\(!\) )?/, status.problems.length ? "(!) " : "");
  put(byId("up"), duration(status.up));
  put(byId("version"), printable(status.version));
  const clients = status.counts.clients;
  const links = status.frontends.reduce((sum, frontend) => sum + frontend.links, 0);
  const { kernels, sessions } = status.counts;
  put(byId("totals"), `${counted(kernels.all, "kernel")}; ${counted(sessions.all, "session")}, ${clients} with a client; ${counted(links, "link")}`);
  const problems = byId("problems");
  const lines = status.problems.map(printable);
  if ([...problems.children].map((line) => line.textContent).join("\n") !== lines.join("\n")) {
    problems.replaceChildren(...lines.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    problems.hidden = lines.length === 0;
  }
}

function fillTile(name, value, told, values, most) {
  const tile = byId(`tile-${name}`);
  put(tile.querySelector("strong"), value);
  put(tile.querySelector(".told"), told);
  draw(tile.querySelector("svg"), past.at, values, most);
}

function fillTiles(status) {
  const eachSecond = rates(past.at, past.evaluations);
  fillTile("evaluations", amount(latest(eachSecond)), `a second; ${latest(past.evaluations)} in all`, eachSecond, 1);
  const waits = status.waiting ? `${counted(status.waiting, "request")} waiting` : "nobody waits";
  fillTile("longest", duration(status.longest), waits, past.longest, 1);
  const busy = status.pools.reduce((sum, pool) => sum + pool.busy, 0);
  const kernels = status.hosts.reduce((sum, host) => sum + host.kernels, 0);
  fillTile("busy", String(busy), `of ${counted(kernels, "kernel")}`, past.busy, Math.max(1, ...past.kernels));
  const of = (host) => host.load / Math.max(1, host.cores);
  const host = status.hosts.reduce((most, each) => (most === null || of(each) > of(most) ? each : most), null);
  const told = host ? `on ${printable(host.name)}, of ${counted(host.cores, "core")}` : "no host";
  fillTile("load", host ? host.load.toFixed(2) : "0.00", told, past.load, 1);
  put(byId("period"), `last ${duration(Math.max(SHORTEST, (past.at.at(-1) ?? 0) - (past.at[0] ?? 0)))}`);
}

// ---- asking ----

class Refused extends Error {}

async function ask(path) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  } catch (error) {
    throw error.name === "TimeoutError" ? new Error("the server does not answer") : new Error("the server cannot be reached");
  }
  if (!answer.ok) {
    const text = (await answer.text()).trim().split("\n")[0];
    if (answer.status === 503) throw new Error(text);
    throw new Refused(text);
  }
  return answer.json();
}

let heard = new Date();
let up = 0;
let restarted = "";

function notice(text, stale) {
  const line = byId("notice");
  put(line, text);
  line.hidden = !text;
  document.body.classList.toggle("stale", stale);
}

function noticed(status) {
  heard = new Date();
  if (status.up < up) {
    restarted = `The server was started again at ${clock(new Date(heard - status.up * 1000))}.`;
    past = null;
  }
  up = status.up;
  const other = document.body.dataset.version !== status.version;
  notice(other ? `${restarted} It is version ${printable(status.version)} now: reload the page.`.trim() : restarted, false);
}

function failed(error) {
  if (error instanceof Refused) notice(`The server refuses: ${error.message}`, true);
  else notice(`No answer since ${clock(heard)}: ${error.message}. Trying again.`, true);
}

function wanted() {
  const form = byId("filter");
  const query = new URLSearchParams({ limit: form ? 100 : 0 });
  if (form?.elements.match.value) query.set("match", form.elements.match.value);
  if (form?.elements.over.checked) query.set("over", 1);
  return query;
}

async function showServer() {
  const query = wanted();
  const status = await ask(`api/v1/status?${query}`);
  if (String(query) !== String(wanted())) return; // something else is wanted meanwhile
  noticed(status);
  remember(await ask(`api/v1/history?after=${past?.at.at(-1) ?? 0}`));
  fillHead(status);
  fillTiles(status);
  const away = ["awaited", "ended", "lost"];
  const { counts } = status;
  const kernels = status.kernels.filter((row) => !away.includes(row.state)).slice(0, counts.kernels.shown);
  const sessions = status.kernels.filter((row) => row.attachments > 0 || away.includes(row.state)).slice(0, counts.sessions.shown);
  const rows = { ...status, kernels, sessions };
  for (const part of ["pools", "sessions", "kernels", "links", "hosts", "frontends"]) {
    fillTable(part, rows[part]);
    put(document.querySelector(`#${part} .count`), counts[part] ? countOf(counts[part]) : String(rows[part].length));
  }
  put(byId("access"), [...new Set(status.frontends.map((frontend) => printable(frontend.access)).filter(Boolean))].join("; "));
}

let packet = 0;

async function showSession() {
  const status = await ask("api/v1/status?limit=0");
  noticed(status);
  fillHead(status);
  const kernel = byId("session").dataset.kernel;
  const told = await ask(`api/v1/kernels/${kernel}`);
  for (const fact of byId("facts").children) {
    const text = told.kernel ? SHOW[fact.dataset.show](told.kernel[fact.dataset.name], told.kernel) : "";
    const value = fact.querySelector("dd");
    put(value, text);
    if ("value" in value.dataset) value.dataset.value = text;
    fact.hidden = text === "";
  }
  const story = byId("story");
  if (story.children.length !== told.story.length || story.lastElementChild?.dataset.at !== String(told.story.at(-1)?.at)) {
    story.replaceChildren(
      ...told.story.map((event) => {
        const line = document.createElement("li");
        line.dataset.at = event.at;
        line.append(Object.assign(document.createElement("time"), { textContent: moment(event.at) }), ` ${printable(event.text)}`);
        return line;
      }),
    );
  }
  if (byId("trace").dataset.on) await showTrace(kernel);
}

async function showTrace(kernel) {
  let traced;
  try {
    traced = await ask(`api/v1/kernels/${kernel}/trace?after=${packet}`);
  } catch (error) {
    put(byId("trace-told"), error.message);
    return;
  }
  const body = byId("packets").tBodies[0];
  if (packet === 0) body.replaceChildren();
  for (const event of traced.events) {
    const line = body.insertRow(0);
    for (const text of [moment(event.at), event.direction, printable(event.head), event.size]) line.insertCell().textContent = text;
    line.lastElementChild.className = "n";
    packet = event.number;
  }
  while (body.rows.length > PACKETS) body.deleteRow(-1);
  put(byId("trace-told"), traced.missed ? `${traced.missed} more are not shown` : body.rows.length ? "" : "Nothing has passed yet.");
}

// ---- again and again ----

const show = { server: showServer, session: showSession }[document.body.dataset.page];
let timer = 0;
let asking = false;

async function again() {
  clearTimeout(timer);
  if (asking) return;
  asking = true;
  try {
    await show();
  } catch (error) {
    failed(error);
  } finally {
    asking = false;
    // A page that nobody sees asks for nothing.
    if (!document.hidden) timer = setTimeout(again, EVERY);
  }
}

if (show) {
  for (const time of document.querySelectorAll("time[data-at]")) put(time, moment(Number(time.dataset.at)));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) again();
  });
  const form = byId("filter");
  form?.addEventListener("submit", (event) => event.preventDefault());
  form?.addEventListener("input", () => {
    const query = wanted();
    query.delete("limit");
    history.replaceState(null, "", String(query) ? `?${query}` : location.pathname);
    clearTimeout(timer);
    timer = setTimeout(again, 200);
  });
  again();
}
