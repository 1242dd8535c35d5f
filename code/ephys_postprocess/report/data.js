// The payload: arrays stay packed as base64 until something asks for them.
const TYPES = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array,
  uint32: Uint32Array, float32: Float32Array, float64: Float64Array };
const DATA = JSON.parse(document.getElementById("data").textContent);
const unpacked = new Map();
let selectedUnit = null; // index of the unit whose part of the page is shown

function unpack(packed) {
  if (!unpacked.has(packed)) {
    const text = atob(packed.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const array = packed.dtype === "uint64" ? Float64Array.from(new BigUint64Array(bytes.buffer), Number)
      : new TYPES[packed.dtype](bytes.buffer);
    unpacked.set(packed, array);
  }
  return unpacked.get(packed);
}

// Row `index` of the first axis.
function rowOf(packed, index) {
  const array = unpack(packed);
  const size = packed.shape.slice(1).reduce((product, length) => product * length, 1);
  return array.subarray(index * size, (index + 1) * size);
}

const numUnits = DATA.units.ids.length;
const unitX = index => unpack(DATA.units.locations)[2 * index];
const unitY = index => unpack(DATA.units.locations)[2 * index + 1];
const columnOf = new Map(DATA.columns.map(column => [column.name, column]));
const valueOf = (name, index) => unpack(DATA.metrics[name])[index];
const passes = (threshold, value) => threshold.is_good_above ? value > threshold.value : value < threshold.value;
const passesQc = index => DATA.qc_columns.every(name => passes(columnOf.get(name).threshold, valueOf(name, index)));

// Four significant digits, whole numbers whole.
function format(value) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value)) return Math.abs(value) < 1e7 ? String(value) : value.toExponential(2);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-5) return value.toExponential(2);
  return String(Number(value.toPrecision(size < 1e-2 ? 3 : 4)));
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
const byId = id => document.getElementById(id);
