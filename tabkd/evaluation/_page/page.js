// The form of a report: one field for each column, and the student's answer to what it holds.
(() => {
  const root = document.getElementById("tabkd-try");
  const facts = JSON.parse(document.getElementById("tabkd-form").textContent);
  const form = root.querySelector("form");
  const make = (tag, props = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  };
  const MISSING = "\u2014 missing \u2014";
  const readers = [], setters = [];

  for (const column of facts.columns) {
    const box = make("div", { className: "field" });
    if (column.levels) {
      const options = [MISSING, ...column.levels.map((level) => String(level))];
      const select = make("select", {}, ...options.map((text, i) => make("option", { value: i, textContent: text })));
      box.append(select);
      readers.push(() => (select.selectedIndex ? column.levels[select.selectedIndex - 1] : null));
      setters.push((value) => { select.selectedIndex = value === null ? 0 : column.levels.indexOf(value) + 1; });
    } else {
      const text = make("input", { type: "text", inputMode: "decimal", placeholder: "missing" });
      box.append(text);
      if (column.low !== null && column.high > column.low) {
        const range = make("input", { type: "range", min: column.low, max: column.high,
          step: column.integer ? 1 : (column.high - column.low) / 200 });
        range.setAttribute("aria-label", column.name);
        range.addEventListener("input", () => { text.value = shown(Number(range.value)); });
        text.addEventListener("input", () => { if (text.value.trim() !== "") range.value = Number(text.value); });
        box.prepend(range);
        setters.push((value) => { text.value = value === null ? "" : String(value); range.value = value ?? column.low; });
      } else {
        setters.push((value) => { text.value = value === null ? "" : String(value); });
      }
      readers.push(() => (text.value.trim() === "" ? null : Number(text.value)));
    }
    form.append(make("div", {}, make("label", { textContent: column.name }), box));
  }

  function shown(value) {
    return String(Number(value.toPrecision(5)));
  }

  // A name that may go on in a new line behind a sign, and not only where the line is full.
  function words(name) {
    return name.split(/(?<=[_./\s-])/).flatMap((word) => [word, make("wbr")]);
  }

  // The classes or targets, and their numbers.
  function answers({probabilities, values}) {
    if (probabilities) return {names: Object.keys(probabilities), numbers: Object.values(probabilities)};
    const numbers = [].concat(values);
    return {names: numbers.map((_, k) => "target " + k), numbers};
  }

  // The largest contributions to one of several scores, or to the only one.
  function bars(contributions, score) {
    const entries = Object.entries(contributions).map(([name, part]) => [name, Array.isArray(part) ? part[score] : part])
      .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 10);
    const most = Math.max(...entries.map((entry) => Math.abs(entry[1])), 1e-12);
    const table = make("table");
    for (const [name, value] of entries) {
      const bar = make("div");
      bar.style.cssText = "height:10px;border-radius:2px;width:" + (50 * Math.abs(value)) / most + "%;margin-left:" +
        (value < 0 ? 50 - (50 * -value) / most : 50) + "%;background:var(--" + (value < 0 ? "down" : "up") + ")";
      const cell = make("td", {}, bar);
      cell.style.width = "55%";
      table.append(make("tr", {}, make("th", {}, ...words(name)), cell, make("td", { textContent: value.toFixed(3) })));
    }
    return table;
  }

  function answer() {
    const place = root.querySelector(".says"), reasons = root.querySelector(".reasons");
    reasons.replaceChildren();
    try {
      const row = Object.create(null);
      facts.columns.forEach((column, i) => { row[column.name] = readers[i](); });
      const found = student.score(row);
      const {names, numbers} = answers(found), best = numbers.indexOf(Math.max(...numbers));
      const asked = facts.headline === null ? best : names.indexOf(facts.headline);
      place.textContent = facts.headline === null && names.length > 1
        ? names[best] + ": " + shown(numbers[best]) : shown(numbers[asked]);
      if (found.contributions) reasons.append(bars(found.contributions, asked));
    } catch (error) {
      place.textContent = "";
      reasons.append(make("p", { textContent: error.message }));
    }
  }

  const choose = root.querySelector("select.examples");
  facts.examples.forEach((example, i) => choose.append(make("option", { value: i, textContent: example.title })));
  const take = () => {
    facts.columns.forEach((column, i) => setters[i](facts.examples[choose.value].values[column.name] ?? null));
    answer();
  };
  choose.addEventListener("change", take);
  form.addEventListener("input", answer);
  form.addEventListener("submit", (event) => event.preventDefault());
  take();
})();
