/** Functions of numbers that JavaScript lacks. `formula_functions.js` lists those of formulas. */

const NEAR = 3; // a series is used for |x| below this, a continued fraction above
const LEVELS = 80; // of the continued fraction

/** The nearest integer; of two equally near integers, the even one @param {number} a */
export function roundToEven(a) {
  const nearest = Math.round(a);
  return Math.abs(nearest - a) === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** 1/(1 + e⁻ᵃ) = eᵃ/(1 + eᵃ), so that no power of e overflows @param {number} a */
export function logistic(a) {
  return a <= 0 ? Math.exp(a) / (1 + Math.exp(a)) : 1 / (1 + Math.exp(-a));
}

/** φ(x) = e^(−x²/2)/√(2π) @param {number} x */
export function normalDensity(x) {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * Returns Φ(x), the integral of φ up to x.
 *
 * Near 0, Φ(x) is computed as ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …). Elsewhere, it is φ(x)/(|x| + 1/(|x| + 2/(|x| + 3/…)))
 * for negative x, and 1 minus this fraction for positive x.
 *
 * @param {number} x
 */
export function normalDistribution(x) {
  const u = Math.abs(x);
  if (u < NEAR) {
    let total = x;
    for (let k = 3, term = x; Math.abs(term) > 1e-17 * Math.abs(total); k += 2) {
      term *= (x * x) / k;
      total += term;
    }
    return 0.5 + normalDensity(x) * total;
  }
  let fraction = u;
  for (let level = LEVELS; level > 0; level -= 1) fraction = u + level / fraction;
  const tail = normalDensity(x) / fraction;
  return x > 0 ? 1 - tail : tail;
}

/** erf(x) = 2 Φ(√2 x) − 1 @param {number} x */
export function errorFunction(x) {
  return 2 * normalDistribution(Math.SQRT2 * x) - 1;
}
