// Numbers as the report writes them.

// A number to some significant digits, as "−0.00681" or "1.23e-7".
function significant(value, digits) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (value < 0) return `−${significant(-value, digits)}`;
  const scientific = value.toExponential(digits - 1);
  const exponent = Number(scientific.split("e")[1]);
  if (exponent < -3 || exponent >= 6) return scientific.replace("e+", "e");
  return value.toFixed(Math.max(0, digits - 1 - exponent));
}

// A value with the ends of its interval: "62 ± 14" where both are as far, otherwise "62 [50, 90]".
function withInterval(value, low, high) {
  if (low === null || high === null || low === undefined || high === undefined) return significant(value, 4);
  const half = (high - low) / 2;
  if (Math.abs((low + high) / 2 - value) > 1e-3 * half) {
    return `${significant(value, 3)} [${significant(low, 3)}, ${significant(high, 3)}]`;
  }
  const place = Math.floor(Math.log10(half)) - 1;
  const digits = Math.floor(Math.log10(Math.abs(value) || half)) - place + 1;
  return `${significant(value, Math.min(8, Math.max(1, digits)))} ± ${significant(half, 2)}`;
}
