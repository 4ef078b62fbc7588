"""The loops of merging, compiled: over blocks of numbers that stay in the cache, float32, (m, B) for m models.

Compiled once for a machine (numba keeps them beside this file, or under NUMBA_CACHE_DIR), run on one thread.
"""

import numpy as np
from numba import njit

BLOCK = 1 << 15  # numbers; a block of each of four models fits the second-level cache
HIGH, LOW = 1 << 15, 1 << 16  # bins: the upper 15 bits of |x| (sign cut off), then the lower 16


def decode(raw: np.ndarray, out: np.ndarray) -> None:
    """Raw numbers of a file (bfloat16 as uint16) as float32."""
    if raw.dtype == np.uint16:
        _widen(raw, out.view(np.uint32))
    else:
        out[...] = raw


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 as the raw numbers of a file, rounded to the nearest, ties to even."""
    if dtype == "BF16":
        out = np.empty(values.shape, np.uint16)
        _narrow(values.view(np.uint32), out)
        return out
    with np.errstate(over="ignore"):
        return values if dtype == "F32" else values.astype({"F16": np.float16, "F64": np.float64}[dtype])


def overflows(raw: np.ndarray, dtype: str) -> bool:
    """Whether encoded numbers have left their type's range and become infinite."""
    if dtype == "BF16":
        return bool(_infinite(raw))
    return dtype in ("F16", "F32") and not np.isfinite(raw).all()


@njit(cache=True, nogil=True)
def _infinite(raw):
    bad = np.uint16(0)
    for i in range(raw.size):
        bad |= np.uint16((raw[i] & np.uint16(0x7F80)) == np.uint16(0x7F80))
    return bad != 0


@njit(cache=True, nogil=True)
def _widen(raw, bits):
    for i in range(raw.size):
        bits[i] = np.uint32(raw[i]) << np.uint32(16)


@njit(cache=True, nogil=True)
def _narrow(bits, out):
    for i in range(bits.size):
        b = bits[i]
        rounded = (b + np.uint32(0x7FFF) + ((b >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        out[i] = np.uint16(rounded)


@njit(cache=True, nogil=True)
def finite(bits):
    """Whether all float32, given as their bits, are finite."""
    bad = np.uint32(0)
    for i in range(bits.size):
        bad |= np.uint32((bits[i] & np.uint32(0x7F800000)) == np.uint32(0x7F800000))
    return bad == 0


@njit(cache=True, nogil=True)
def _total(D, weights, out):
    for j in range(out.size):
        out[j] = D[0, j] * weights[0]
    for i in range(1, D.shape[0]):
        row = D[i]
        for j in range(out.size):
            out[j] += row[j] * weights[i]


def total(D: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i weights[i] * D[i]; (B,)."""
    out = np.empty(D.shape[1], np.float32)
    _total(D, np.asarray(weights, np.float32), out)
    return out


@njit(cache=True, nogil=True)
def _kept(D, low, high, out):
    for i in range(D.shape[0]):
        a, b, row, kept = low[i], high[i], D[i], out[i]
        for j in range(row.size):
            x = row[j]
            kept[j] = x if (abs(x) >= a) & (abs(x) < b) else np.float32(0)


def kept(D: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """D with what is below low[i] or not below high[i] in size zeroed; (m, B)."""
    out = np.empty_like(D)
    _kept(D, np.asarray(low, np.float32), np.asarray(high, np.float32), out)
    return out


@njit(cache=True, nogil=True)
def _elected(D, total, count, out):
    # Three passes without branches, which the vector units take; one with them costs several times as much.
    for j in range(total.size):
        total[j] = D[0, j]
        out[j] = np.float32(0)
        count[j] = np.float32(0)
    for i in range(1, D.shape[0]):
        row = D[i]
        for j in range(total.size):
            total[j] += row[j]
    for i in range(D.shape[0]):
        row = D[i]
        for j in range(total.size):
            agrees = np.float32(((row[j] > 0) & (total[j] > 0)) | ((row[j] < 0) & (total[j] < 0)))  # a product of tiny numbers would be 0
            out[j] += agrees * row[j]
            count[j] += agrees
    for j in range(total.size):
        out[j] /= max(count[j], np.float32(1))


def elected(D: np.ndarray) -> np.ndarray:
    """At each place the mean of those numbers that have the sign of their sum; 0 where the sum is 0; (B,)."""
    total, count, out = np.empty((3, D.shape[1]), np.float32)
    _elected(D, total, count, out)
    return out


@njit(cache=True, nogil=True)
def _thinned(D, drop, seed, start, out):
    # splitmix64 (Steele et al., 2014) of seed, model and place: the same mask in whatever blocks a tensor is walked
    limit = np.uint64(drop * 2.0**53)
    scale = np.float32(1.0 / (1.0 - drop))
    for i in range(D.shape[0]):
        key = np.uint64(seed) + np.uint64(i + 1) * np.uint64(0xD1342543DE82EF95)
        for j in range(D.shape[1]):
            z = key + np.uint64(start + j + 1) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            out[i, j] = D[i, j] * scale if (z >> np.uint64(11)) >= limit else np.float32(0)


def thinned(D: np.ndarray, drop: float, seed: int, start: int) -> np.ndarray:
    """D with each number zeroed with probability `drop` and the others divided by 1 - drop; place `start` onwards; (m, B)."""
    out = np.empty_like(D)
    _thinned(D, drop, np.uint64(seed), start, out)
    return out


CHUNK = 1_024  # numbers whose bins are computed together, so that the processor's vector units do it, before they are counted
GROUP = 64


@njit(cache=True, nogil=True)
def count_high(bits, counts):
    """Add the upper 15 bits of each |x| to its model's histogram; bits (m, B), counts (m, HIGH)."""
    bins = np.empty(CHUNK, np.uint16)
    for i in range(bits.shape[0]):
        row = counts[i]
        for start in range(0, bits.shape[1], CHUNK):
            part = bits[i, start : start + CHUNK]
            for j in range(part.size):
                bins[j] = np.uint16((part[j] >> np.uint32(16)) & np.uint32(0x7FFF))
            for j in range(part.size):
                row[bins[j]] += 1


@njit(cache=True, nogil=True)
def count_low(bits, bins, counts):
    """Add the lower 16 bits of each |x| whose upper ones are bins[i, w] to counts[i, w]; counts (m, w, LOW)."""
    for i in range(bits.shape[0]):
        for w in range(bins.shape[1]):
            row, wanted = counts[i, w], np.uint32(bins[i, w])
            for start in range(0, bits.shape[1], GROUP):
                part = bits[i, start : start + GROUP]
                found = np.uint32(0)  # most groups hold none: then one vector comparison is all
                for j in range(part.size):
                    found |= np.uint32(((part[j] >> np.uint32(16)) & np.uint32(0x7FFF)) == wanted)
                if found:
                    for j in range(part.size):
                        b = part[j]
                        if (b >> np.uint32(16)) & np.uint32(0x7FFF) == wanted:
                            row[b & np.uint32(0xFFFF)] += 1


@njit(cache=True, nogil=True)
def products(D, G):
    """Add the inner products of the rows of D (m, B) to G (m, m), in float64."""
    for i in range(D.shape[0]):
        for k in range(i, D.shape[0]):
            s = 0.0
            for j in range(D.shape[1]):
                s += np.float64(D[i, j]) * np.float64(D[k, j])
            G[i, k] += s
            if k != i:
                G[k, i] += s
