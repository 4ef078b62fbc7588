// Chance from a seed, so that the same table gives the same points: sfc32 (C. Doty-Humphrey, PractRand).
export class Chance {
  constructor(seed) {
    [this.a, this.b, this.c, this.counter] = [seed >>> 0, 0x9e3779b9, 0x243f6a88, 1];
    for (let i = 0; i < 16; i++) this.bits();
  }

  bits() {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  uniform() { // in [0, 1)
    return (this.bits() * 2 ** -32) + (this.bits() >>> 11) * 2 ** -53;
  }

  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  // `most` different numbers below n in ascending order; all of them where they are no more (Floyd's algorithm).
  some(n, most) {
    if (n <= most) return Uint32Array.from({ length: n }, (_, i) => i);
    const chosen = new Set();
    for (let i = n - most; i < n; i++) {
      const at = Math.floor(this.uniform() * (i + 1));
      chosen.add(chosen.has(at) ? i : at);
    }
    return Uint32Array.from(chosen).sort();
  }
}
