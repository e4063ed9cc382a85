// A student: rows in, scores and contributions out. `model` is what model_json in Python gives.
//
//   const student = tabkd.load(model);
//   student.score({age: 41, job: "Office", income: null});

function run(nodes, known) {
  const found = known.slice();
  for (const {operator, inputs, output, attributes} of nodes) {
    found[output] = OPERATORS[operator](inputs.map((input) => input === null ? undefined : found[input]), attributes);
  }
  return found;
}

// A number, a text, a list of numbers, a tensor, or the values of one without a shape.
function attribute(value) {
  if (value.data === undefined) return value;
  return value.shape ? unpack(value) : unpack(value).data;
}

// The nodes with what no row changes, which is computed here once.
function prepare({nodes, constants, outputs}) {
  let known = constants.map((one) => one && unpack(one)), waiting = [];
  for (const [operator, inputs, output, given] of nodes) {
    const attributes = {};
    for (const key of Object.keys(given)) attributes[key] = attribute(given[key]);
    const node = {operator, inputs, output, attributes};
    if (inputs.every((input) => input === null || known[input])) known = run([node], known);
    else waiting.push(node);
  }
  const plan = (names) => {
    const needed = new Set(names.map((name) => outputs[name])), kept = [];
    for (const node of waiting.slice().reverse()) {
      if (needed.has(node.output)) {
        kept.unshift(node);
        node.inputs.forEach((input) => needed.add(input));
      }
    }
    return (feeds) => {
      const start = known.slice();
      feeds.forEach(([at, fed]) => { start[at] = fed; });
      const found = run(kept, start);
      return names.map((name) => found[outputs[name]]);
    };
  };
  return {scores: plan(["scores"]), all: plan(Object.keys(outputs))};
}

function load(model) {
  const {task, classes, columns, baseline, single, counted, block} = model, graph = prepare(model);
  const places = columns.map(placesOf);

  function answer(scores, row) {
    const k = scores.shape[1], own = [...scores.data.subarray(row * k, (row + 1) * k)];
    if (task === "regression") return {values: single ? own[0] : own};
    // From entries, so that a class may have any name.
    return {probabilities: Object.fromEntries(classes.map((name, i) => [name, own[i]]))};
  }

  function reasons({data}, row) {
    const d = columns.length, m = baseline.length, part = data.subarray(row * m * d, (row + 1) * m * d);
    const of = (c) => m === 1 ? part[c] : baseline.map((_, score) => part[score * d + c]);
    return {
      contributions: Object.fromEntries(columns.map(({name}, c) => [name, of(c)])),
      base_value: m === 1 ? baseline[0] : baseline.slice(),
    };
  }

  function score(rows, options) {
    if (!Array.isArray(rows)) return score([rows], options)[0];
    const explain = baseline !== null && !(options && options.contributions === false), out = [];
    const feeds = read(model, places, rows);
    for (let start = 0, size = explain ? block : 512; start < rows.length; start += size) {
      const n = Math.min(size, rows.length - start);
      const part = feeds.map(([at, {shape: [, width], data}]) =>
        [at, tensor([n, width], data.subarray(start * width, (start + n) * width))]);
      counted.forEach((at) => part.push([at, tensor([n, 1], new Float32Array(n))]));
      const [scores, parts] = (explain ? graph.all : graph.scores)(part);
      for (let row = 0; row < n; row++) {
        out.push(explain ? Object.assign(answer(scores, row), reasons(parts, row)) : answer(scores, row));
      }
    }
    return out;
  }

  return {task, classes, columns, score};
}
