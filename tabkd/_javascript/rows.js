// From values that people write to the tensors that the graph takes, as tabkd.load reads them in Python.

const LARGEST = 3.4028234663852886e38;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

const shown = (value) => typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : typeof value === "object"
  ? Object.prototype.toString.call(value) : String(value);
const isMissing = (value) => value === null || value !== value;
const wrong = (name, value, row, remedy) =>
  new Error(`Column ${shown(name)} holds ${shown(value)} (${typeof value}) in row ${row}. ${remedy}`);

function pick(row, name, at) {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new Error(`Row ${at} is ${shown(row)}; give an object with a value for each column.`);
  }
  const value = Object.prototype.hasOwnProperty.call(row, name) ? row[name] : undefined;
  if (value === undefined) {
    throw new Error(`Row ${at} has no value for the column ${shown(name)}. Give it null where its value is missing.`);
  }
  if (value !== null && !["string", "number", "boolean", "bigint"].includes(typeof value)) {
    throw wrong(name, value, at, "Give a number, a text, true, false or null.");
  }
  return value;
}

function asNumber(value, name, row) {
  if (value === null) return NaN;
  if (typeof value === "string") {
    throw wrong(name, value, row, "The column was numeric at fit. Convert it with Number(...), or give null.");
  }
  const number = Number(value);
  if (number === Infinity || number === -Infinity) {
    throw wrong(name, value, row, "Replace it by a finite number, or by null for a missing value.");
  }
  checkDigits(value, name, row);
  return number;
}

// A whole number beyond 2^53 that is a bigint would be rounded; a category may have been rounded before.
function checkDigits(value, name, row) {
  if (typeof value === "bigint" && !Number.isSafeInteger(Number(value))) {
    throw wrong(name, value, row, "It has more digits than a number can hold.");
  }
}

// The place of each level of a column; what is spelled like a missing value comes after the unseen ones.
function placesOf({levels, missing}) {
  if (!levels) return null;
  const spelled = (missing || []).map((spelling) => [spelling, levels.length + 1]);
  return new Map([...levels.map((level, i) => [level, i]), ...spelled]);
}

// The row of the table of weights for each value: of its category, of an unseen or of a missing one.
function lookUp({name, levels, missing, zeros, rows}, places, given) {
  const isText = missing !== null, unseen = levels.length;
  const place = (value, row) => {
    checkDigits(value, name, row);
    if (isMissing(value)) return unseen + 1;
    if (!isText && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw wrong(name, value, row, "Beyond 2^53, a number may have lost its last digits.");
    }
    let key = value;
    if (isText) key = typeof value === "boolean" ? (value ? "True" : "False") : String(value);
    else if (typeof value === "string") key = NUMBER.test(value.trim()) ? Number(value) : value;
    else key = Number(value);
    const found = places.get(key);
    return found === undefined ? unseen : found;
  };
  const found = given.map(place), present = given.filter((value) => !isMissing(value));
  const isWhole = (value) => Number.isInteger(value) || typeof value === "bigint";
  if (zeros !== null && present.length && present.every(isWhole)) {
    throw wrong(name, present[0], given.indexOf(present[0]),
      `Its categories are texts such as ${shown(zeros)}, and a number has lost the zeros in front. Give text.`);
  }
  const other = (value) => (typeof value === "string") !== isText;
  if (unseen && present.length && other(present[0]) && given.every((value, i) => isMissing(value) || found[i] === unseen)) {
    throw wrong(name, present[0], given.indexOf(present[0]),
      `It had categories such as ${shown(levels[0])} at fit. Give it the same type as at fit.`);
  }
  return found.map((at) => rows[at]);
}

// The inputs of the graph for some rows.
function read({columns, numbers, categories}, places, rows) {
  const n = rows.length, given = columns.map(({name}) => rows.map((row, i) => pick(row, name, i)));
  const numeric = columns.map(({kind, name}, c) =>
    kind === "numeric" ? given[c].map((value, row) => asNumber(value, name, row)) : null);
  const feeds = [];
  if (numbers) {
    const {columns: used, centers, fill, indicators, type, value} = numbers, width = used.length + indicators.length;
    const clipped = (v) => type === "f8" ? v : Math.fround(v > LARGEST ? LARGEST : v < -LARGEST ? -LARGEST : v);
    const out = tensor([n, width], new TYPES[type](n * width));
    for (let row = 0; row < n; row++) {
      used.forEach((c, k) => {
        const one = clipped(numeric[c][row] - centers[k]);
        out.data[row * width + k] = fill && one !== one ? fill[k] : one;
      });
      indicators.forEach((k, i) => { out.data[row * width + used.length + i] = isMissing(numeric[used[k]][row]); });
    }
    feeds.push([value, out]);
  }
  if (categories) {
    const {columns: used, value} = categories, out = tensor([n, used.length], new Int32Array(n * used.length));
    used.forEach((c, k) => {
      lookUp(columns[c], places[c], given[c]).forEach((at, row) => { out.data[row * used.length + k] = at; });
    });
    feeds.push([value, out]);
  }
  return feeds;
}
