// From values to positions. The ends and the ticks of an axis come with the data.

function forward(axis, value) {
  if (axis.kind === "log") return Math.log10(value);
  if (axis.kind === "signed-log") {
    return Math.sign(value) * Math.log1p(Math.abs(value) / axis.threshold) / Math.LN10;
  }
  return value;
}

// The share of the axis at which a value lies: 0 at its low end, 1 at its high end, hardly beyond.
function position(axis, value) {
  const share = (forward(axis, value) - axis.low) / (axis.high - axis.low);
  return Math.min(1.01, Math.max(-0.01, share));
}

// Whether an axis has a place for a value.
function has(axis, value) {
  return value !== null && Number.isFinite(value) && (axis.kind !== "log" || value > 0);
}
