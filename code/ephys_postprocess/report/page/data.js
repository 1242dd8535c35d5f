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
const allUnits = Array.from({ length: numUnits }, (_, i) => i);
const idOf = unit => DATA.units.ids[unit];
const unitX = unit => unpack(DATA.units.locations)[2 * unit];
const unitY = unit => unpack(DATA.units.locations)[2 * unit + 1];
const mainChannelOf = unit => unpack(DATA.units.main_channels)[unit];
const spikesOf = unit => unpack(DATA.units.num_spikes)[unit];
const channelX = channel => unpack(DATA.probe.locations)[2 * channel];
const channelY = channel => unpack(DATA.probe.locations)[2 * channel + 1];
const columnOf = new Map(DATA.columns.map(column => [column.name, column]));
// In the unit that the page shows, such as ms where the result has s.
const valueOf = (name, unit) => unpack(DATA.metrics[name])[unit] * columnOf.get(name).scale;
const similarityOf = (unit, other) => unpack(DATA.similarity)[unit * numUnits + other] / 255;

const judgedColumns = DATA.columns.filter(column => column.threshold);
const judgementOf = (column, unit) => judge(column.threshold, valueOf(column.name, unit));

// By the pipeline's default thresholds: one failure fails; without one, a missing value leaves it open.
function verdictOf(unit) {
  const found = DATA.qc_columns.map(name => judgementOf(columnOf.get(name), unit));
  return found.includes("fail") ? "fail" : found.includes("missing") ? "missing" : "pass";
}

// Why there is no value; "" where nothing tells.
function whyMissing(name, unit) {
  const found = DATA.missing.find(entry => entry.columns.includes(name) && (entry.is_everywhere || unpack(entry.units).includes(unit)));
  return found ? found.reason : "";
}
