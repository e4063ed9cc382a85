// The operators of ONNX graphs.
//
// A tensor is {shape, data}; the type of the array is the type of its values: Float32Array, Float64Array, Int32Array for
// whole numbers and Uint8Array for true and false.

// The arrays of each type, and of the narrower ones that whole numbers are stored in.
const TYPES = {f4: Float32Array, f8: Float64Array, i4: Int32Array, i2: Int16Array, i1: Int8Array, b1: Uint8Array};

const product = (sizes) => sizes.reduce(times, 1);
const tensor = (shape, data) => ({shape, data});
const empty = (like, shape) => tensor(shape, new like.data.constructor(product(shape)));
const position = (axis, shape) => axis < 0 ? axis + shape.length : axis;

function unpack({type, shape, stored, data}) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const values = new TYPES[stored || type](bytes.buffer);
  return tensor(shape, stored ? TYPES[type].from(values) : values);
}

// ---- Values one by one, with NumPy's broadcasting ----

function broadcast(shapes) {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({length: rank}, (_, axis) => {
    const sizes = shapes.map((shape) => axis + shape.length < rank ? 1 : shape[axis + shape.length - rank]);
    const size = sizes.find((other) => other !== 1);
    if (size === undefined) return 1;
    if (sizes.some((other) => other !== 1 && other !== size)) throw new Error(`shapes ${shapes.join(" and ")} differ`);
    return size;
  });
}

// How far apart the neighbours of each axis of `shape` are in a tensor, 0 where it has one value for all of them.
function strides(of, shape) {
  const steps = new Array(shape.length).fill(0);
  for (let axis = shape.length - 1, from = of.length - 1, step = 1; from >= 0; step *= of[from--], axis--) {
    if (of[from] !== 1) steps[axis] = step;
  }
  return steps;
}

// Calls `visit(start, offsets)` for each run of the last axis; an offset for each list of steps.
function runs(shape, steps, visit) {
  const index = shape.map(() => 0), offsets = steps.map(() => 0), width = shape[shape.length - 1];
  for (let start = 0, size = product(shape); start < size; start += width) {
    visit(start, offsets);
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      const back = ++index[axis] === shape[axis];
      for (let t = 0; t < steps.length; t++) offsets[t] += steps[t][axis] * (back ? 1 - shape[axis] : 1);
      if (!back) break;
      index[axis] = 0;
    }
  }
}

const plus = (a, b) => a + b;
const minus = (a, b) => a - b;
const times = (a, b) => a * b;
const positive = (a) => a > 0 ? a : a !== a ? a : 0;

// What contributions consist of has loops of its own: a call for each value takes ten times as long.
function fill(out, at, stop, f, x, i, dx, y, j, dy, z, k, dz) {
  if (f === plus) for (; at < stop; at++, i += dx, j += dy) out[at] = x[i] + y[j];
  else if (f === minus) for (; at < stop; at++, i += dx, j += dy) out[at] = x[i] - y[j];
  else if (f === times) for (; at < stop; at++, i += dx, j += dy) out[at] = x[i] * y[j];
  else if (f === positive) for (; at < stop; at++, i += dx) out[at] = x[i] > 0 ? x[i] : x[i] !== x[i] ? x[i] : 0;
  else for (; at < stop; at++, i += dx, j += dy, k += dz) out[at] = f(x[i], y[j], z[k]);
}

function each(f, Type, tensors) {
  const whole = broadcast(tensors.map((one) => one.shape)), size = product(whole);
  const out = new (Type || tensors[0].data.constructor)(size);
  const flat = tensors.every(({data}) => data.length === size || data.length === 1);
  const shape = flat ? [size] : whole;
  const of = ({shape: own, data}) => flat ? [data.length === 1 ? 0 : 1] : strides(own, shape);
  const all = [0, 1, 2].map((i) => tensors[Math.min(i, tensors.length - 1)]), steps = all.map(of);
  const [x, y, z] = all.map((one) => one.data), [dx, dy, dz] = steps.map((step) => step[shape.length - 1]);
  const width = shape[shape.length - 1];
  runs(shape, steps, (start, at) => fill(out, start, start + width, f, x, at[0], dx, y, at[1], dy, z, at[2], dz));
  return tensor(whole, out);
}

const values = (f) => (inputs) => each(f, null, inputs);
const tests = (f) => (inputs) => each(f, Uint8Array, inputs);
// Operators that take any number of tensors.
const many = (f) => (inputs) => inputs.slice(1).reduce((a, b) => each(f, null, [a, b]), inputs[0]);

function cast([x], {to}) {
  return to === "b1" ? each((a) => a !== 0, Uint8Array, [x]) : tensor(x.shape, TYPES[to].from(x.data));
}

function clip([x, low, high]) {
  const a = low ? low.data[0] : -Infinity, b = high ? high.data[0] : Infinity;
  return each((v) => v < a ? a : v > b ? b : v, null, [x]);
}

function half(v) { // to the even neighbour, where two are as near
  const down = Math.floor(v);
  return v - down === 0.5 ? down + (down & 1) : Math.round(v);
}

// ---- Matrices ----

// The product of (m, k) and (k, n), each row added to what `bias` puts into it, in float64; zeros are skipped, of which
// units and activations have many.
function multiply(a, b, [m, k, n], out, [atA, atB, atOut], bias) {
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    if (bias) bias(sums, i); else sums.fill(0);
    for (let l = 0; l < k; l++) {
      const factor = a[atA + i * k + l];
      if (factor !== 0) addRow(sums, factor, b, atB + l * n, n);
    }
    for (let j = 0; j < n; j++) out[atOut + i * n + j] = sums[j];
  }
}

function addRow(sums, factor, b, from, n) {
  for (let j = 0; j < n; j++) sums[j] += factor * b[from + j];
}

function matmul([a, b]) {
  if (a.shape.length < 2 || b.shape.length < 2) throw new Error("MatMul of vectors is not supported");
  const [k, n] = b.shape.slice(-2);
  if (b.shape.length === 2) {
    const out = empty(a, [...a.shape.slice(0, -1), n]);
    multiply(a.data, b.data, [a.data.length / k, k, n], out.data, [0, 0, 0]);
    return out;
  }
  const m = a.shape[a.shape.length - 2], outer = [a, b].map((one) => one.shape.slice(0, -2));
  const stack = broadcast(outer), out = empty(a, [...stack, m, n]);
  const steps = outer.map((shape, i) => [...strides(shape, stack).map((step) => step * (i ? k * n : m * k)), 0]);
  runs([...stack, 1], steps, (at, [i, j]) => multiply(a.data, b.data, [m, k, n], out.data, [i, j, at * m * n]));
  return out;
}

function gemm([a, b, c], {alpha = 1, beta = 1, transA, transB}) {
  const x = transA ? transpose([a], {}) : a, y = transB ? transpose([b], {}) : b;
  const [m, k] = x.shape, n = y.shape[1], out = empty(a, [m, n]);
  const scaled = alpha === 1 ? x : each((v) => v * alpha, null, [x]);
  const steps = c && strides(c.shape, [m, n]);
  const bias = c && ((sums, i) => {
    for (let j = 0; j < n; j++) sums[j] = beta * c.data[i * steps[0] + j * steps[1]];
  });
  multiply(scaled.data, y.data, [m, k, n], out.data, [0, 0, 0], bias);
  return out;
}

// ---- Along an axis: a tensor as (outer, n, inner) ----

function along({shape}, axis) {
  const at = position(axis, shape);
  return {at, n: shape[at], outer: product(shape.slice(0, at)), inner: product(shape.slice(at + 1))};
}

const resized = (shape, axis, size) => shape.map((old, i) => i === axis ? size : old);

function reduceOne(x, axis, f, start) {
  const {at, n, outer, inner} = along(x, axis), out = empty(x, resized(x.shape, at, 1));
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let total = start;
      for (let j = 0; j < n; j++) total = f(total, x.data[(o * n + j) * inner + i]);
      out.data[o * inner + i] = total;
    }
  }
  return out;
}

function reduce(f, start, before, after) {
  return ([x, given], {axes, keepdims = 1}) => {
    const listed = given ? [...given.data] : axes || x.shape.map((_, axis) => axis);
    const all = listed.map((axis) => position(axis, x.shape)), count = product(all.map((axis) => x.shape[axis]));
    const first = before ? each(before, null, [x]) : x;
    const found = all.reduce((part, axis) => reduceOne(part, axis, f, start), first);
    const out = after ? each((v) => after(v, count), null, [found]) : found;
    return keepdims ? out : tensor(out.shape.filter((_, axis) => !all.includes(axis)), out.data);
  };
}

const square = (v) => v * v;
const sum = reduce(plus, 0), max = reduce((a, b) => Math.max(a, b), -Infinity);
const kept = (x, axis, operator) => operator([x], {axes: [axis], keepdims: 1});

function arg(better) {
  return ([x], {axis = 0, keepdims = 1, select_last_index: last = 0}) => {
    const {at, n, outer, inner} = along(x, axis), out = new Int32Array(outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let best = 0;
        for (let j = 1; j < n; j++) {
          const a = x.data[(o * n + j) * inner + i], b = x.data[(o * n + best) * inner + i];
          if (better(a, b) || (last && a === b)) best = j;
        }
        out[o * inner + i] = best;
      }
    }
    return tensor(keepdims ? resized(x.shape, at, 1) : x.shape.filter((_, i) => i !== at), out);
  };
}

function softmax([x], {axis = -1}) {
  const weights = each((v, top) => Math.exp(v - top), Float64Array, [x, kept(x, axis, max)]);
  return each((v, total) => v / total, x.data.constructor, [weights, kept(weights, axis, sum)]);
}

function gather([x, indices], {axis = 0}) {
  const {at, n, outer, inner} = along(x, axis), size = indices.data.length;
  const out = empty(x, [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)]);
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < size; j++) {
      const from = (o * n + position(indices.data[j], {length: n})) * inner, to = (o * size + j) * inner;
      for (let i = 0; i < inner; i++) out.data[to + i] = x.data[from + i];
    }
  }
  return out;
}

function concat(inputs, {axis}) {
  const parts = inputs.map((one) => along(one, axis)), {at, outer} = parts[0];
  const out = empty(inputs[0], resized(inputs[0].shape, at, parts.reduce((total, part) => total + part.n, 0)));
  for (let o = 0, to = 0; o < outer; o++) {
    parts.forEach(({n, inner}, i) => {
      out.data.set(inputs[i].data.subarray(o * n * inner, (o + 1) * n * inner), to);
      to += n * inner;
    });
  }
  return out;
}

function scatter([x, indices, updates], {axis = 0}) {
  const out = tensor(x.shape, x.data.slice()), at = position(axis, x.shape);
  const steps = strides(x.shape, x.shape), index = indices.shape.map(() => 0);
  for (let j = 0; j < indices.data.length; j++) {
    const place = position(indices.data[j], {length: x.shape[at]});
    out.data[index.reduce((sum, i, k) => sum + steps[k] * (k === at ? place : i), 0)] = updates.data[j];
    for (let k = index.length - 1; k >= 0 && ++index[k] === indices.shape[k]; k--) index[k] = 0;
  }
  return out;
}

function oneHot([indices, depth, pair], {axis = -1}) {
  const n = depth.data[0], shape = indices.shape.slice();
  shape.splice(axis < 0 ? axis + shape.length + 1 : axis, 0, n);
  const out = empty(pair, shape), {outer, inner} = along(out, axis);
  out.data.fill(pair.data[0]);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const hot = position(indices.data[o * inner + i], {length: n});
      if (hot >= 0 && hot < n) out.data[(o * n + hot) * inner + i] = pair.data[1];
    }
  }
  return out;
}

// ---- Shapes ----

const shapeOf = (sizes) => tensor([sizes.length], Int32Array.from(sizes));

function reshape([x, sizes]) {
  const shape = [...sizes.data].map((size, axis) => size === 0 ? x.shape[axis] : size), free = shape.indexOf(-1);
  // Without values, any size fits; with none of its own sizes zero, it is 0.
  if (free >= 0) shape[free] = x.data.length / -product(shape) || 0;
  return tensor(shape, x.data);
}

function transpose([x], {perm}) {
  const order = perm || x.shape.map((_, axis) => axis).reverse(), steps = strides(x.shape, x.shape);
  const shape = order.map((axis) => x.shape[axis]), out = empty(x, shape), turned = order.map((axis) => steps[axis]);
  const width = shape[shape.length - 1], step = turned[shape.length - 1];
  runs(shape, [turned], (start, [from]) => {
    for (let i = 0; i < width; i++) out.data[start + i] = x.data[from + i * step];
  });
  return out;
}

function slice([x, starts, ends, axes, steps]) {
  return [...starts.data].reduce((part, given, i) => {
    const axis = axes ? axes.data[i] : i, n = along(part, axis).n, step = steps ? steps.data[i] : 1;
    const bound = (v, low, high) => Math.min(Math.max(v < 0 ? v + n : v, low), high);
    const indices = [];
    if (step > 0) for (let j = bound(given, 0, n); j < bound(ends.data[i], 0, n); j += step) indices.push(j);
    else for (let j = bound(given, -1, n - 1); j > bound(ends.data[i], -1, n - 1); j += step) indices.push(j);
    return gather([part, shapeOf(indices)], {axis});
  }, x);
}

function squeeze([x, given], {axes}) {
  const gone = given ? [...given.data] : axes || x.shape.map((n, axis) => n === 1 ? axis : -9);
  const all = gone.map((axis) => position(axis, x.shape));
  return tensor(x.shape.filter((_, axis) => !all.includes(axis)), x.data);
}

function unsqueeze([x, given], {axes}) {
  const all = given ? [...given.data] : axes, shape = x.shape.slice(), rank = shape.length + all.length;
  all.map((axis) => axis < 0 ? axis + rank : axis).sort((a, b) => a - b).forEach((axis) => shape.splice(axis, 0, 1));
  return tensor(shape, x.data);
}

// ---- Trees: arrays with one entry a node; the children of a leaf are -1 and -1 minus its place among leaves ----

function trees([x], {feature, threshold, left, right, missing_left: missing, roots, starts, targets, weights, n_targets, base}) {
  const [n, d] = x.shape, out = new Float64Array(n * n_targets);
  for (let row = 0; row < n; row++) {
    base.forEach((value, target) => { out[row * n_targets + target] = value; });
    for (let tree = 0; tree < roots.length; tree++) {
      let node = roots[tree];
      while (left[node] >= 0) {
        const value = x.data[row * d + feature[node]];
        const goesLeft = value !== value ? missing[node] : value <= threshold[node];
        node = goesLeft ? left[node] : right[node];
      }
      const leaf = -1 - right[node];
      for (let i = starts[leaf]; i < starts[leaf + 1]; i++) out[row * n_targets + targets[i]] += weights[i];
    }
  }
  return tensor([n, n_targets], Float32Array.from(out));
}

const OPERATORS = {
  Abs: values(Math.abs), Add: values(plus), And: tests((a, b) => a && b), ArgMax: arg((a, b) => a > b),
  ArgMin: arg((a, b) => a < b), ArrayFeatureExtractor: ([x, indices]) => gather([x, shapeOf(indices.data)], {axis: -1}),
  Cast: cast, Ceil: values(Math.ceil), Clip: clip, Concat: concat,
  ConstantOfShape: ([sizes], {value}) => each(() => value.data[0], value.data.constructor,
    [tensor([...sizes.data], new Uint8Array(product([...sizes.data])))]),
  Div: values((a, b) => a / b), Equal: tests((a, b) => a === b), Exp: values(Math.exp),
  Flatten: ([x], {axis = 1}) => tensor([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))], x.data),
  Floor: values(Math.floor), Gather: gather, Gemm: gemm, Greater: tests((a, b) => a > b),
  GreaterOrEqual: tests((a, b) => a >= b), Identity: ([x]) => x,
  Imputer: ([x], {fill}) => each((v, other) => v !== v ? other : v, null, [x, tensor([fill.length], fill)]),
  IsNaN: tests((a) => a !== a),
  Less: tests((a, b) => a < b), LessOrEqual: tests((a, b) => a <= b),
  LinearRegressor: ([x], {coefficients, intercepts, targets}) =>
    gemm([x, tensor([targets, x.shape[1]], coefficients), intercepts && tensor([targets], intercepts)], {transB: 1}),
  Log: values(Math.log), MatMul: matmul, Max: many((a, b) => Math.max(a, b)), Min: many((a, b) => Math.min(a, b)),
  Mul: values(times), Neg: values((a) => -a), Not: tests((a) => !a), OneHot: oneHot,
  Or: tests((a, b) => a || b), Pow: values(Math.pow), Reciprocal: values((a) => 1 / a),
  ReduceL1: reduce(plus, 0, Math.abs), ReduceL2: reduce(plus, 0, square, Math.sqrt), ReduceMax: max,
  ReduceMean: reduce(plus, 0, null, (total, count) => total / count),
  ReduceMin: reduce((a, b) => Math.min(a, b), Infinity), ReduceProd: reduce(times, 1), ReduceSum: sum,
  ReduceSumSquare: reduce(plus, 0, square), Relu: values(positive), Reshape: reshape,
  Round: values(half),
  Scaler: ([x], {offset, scale}) =>
    each((v, o, s) => (v - o) * s, Float32Array, [x, tensor([offset.length], offset), tensor([scale.length], scale)]),
  ScatterElements: scatter, Shape: ([x]) => shapeOf(x.shape), Sigmoid: values((a) => 1 / (1 + Math.exp(-a))),
  Sign: values(Math.sign), Slice: slice, Softmax: softmax, Sqrt: values(Math.sqrt), Squeeze: squeeze,
  Sub: values(minus), Sum: many(plus), Tanh: values(Math.tanh), Transpose: transpose,
  TreeEnsembleRegressor: trees, Unsqueeze: unsqueeze,
  Where: ([condition, a, b]) => each((c, x, y) => c ? x : y, a.data.constructor, [condition, a, b]),
};
