// Values as text, judged and missing ones; nothing here knows what a page is about.
const isMissing = value => typeof value === "number" ? Number.isNaN(value) : value === "";

// "pass", "fail", or "missing" where there is no value to judge.
function judge(threshold, value) {
  if (Number.isNaN(value)) return "missing";
  return (threshold.is_good_above ? value > threshold.value : value < threshold.value) ? "pass" : "fail";
}

// Four significant digits, whole numbers whole.
function format(value) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value)) return Math.abs(value) < 1e7 ? String(value) : value.toExponential(2);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-5) return value.toExponential(2);
  return String(Number(value.toPrecision(size < 1e-2 ? 3 : 4)));
}
const withUnit = (value, unit) => Number.isNaN(value) || !unit ? format(value) : `${format(value)} ${unit}`;
const counted = number => number.toLocaleString("en");
const plural = (number, noun) => `${counted(number)} ${noun}${number === 1 ? "" : "s"}`;
