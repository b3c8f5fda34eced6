#!/usr/bin/env python3
"""Makes the golden vectors beside this file from the definitions alone, with Python's exact integers and with f32 arithmetic
emulated in double (a product of two f32 is exact in double; a sum rounded to double and then to f32 is rounded correctly,
because 53 >= 2 * 24 + 2). It shares nothing with the C# code. Usage: python3 make.py"""
import json, math, os, random, struct

HERE = os.path.dirname(os.path.abspath(__file__))
def f32(v): return struct.unpack("<f", struct.pack("<f", v))[0]
def bits(v): return struct.unpack("<I", struct.pack("<f", v))[0]
def from_bits(i): return struct.unpack("<f", struct.pack("<I", i & 0xFFFFFFFF))[0]
def text(values): return " ".join(f"{bits(v):08x}" for v in values)
def mul(a, b): return f32(a * b)
def add(a, b): return f32(a + b)
def sub(a, b): return f32(a - b)
def canonical(v): return 0.0 if abs(v) < 2.0 ** -60 else v

def reciprocal(x):
    y = from_bits(0x7EF311C7 - bits(x))
    for _ in range(3): y = mul(y, sub(2.0, mul(x, y)))
    return y
def rsqrt(x):
    h, y = mul(0.5, x), from_bits(0x5F375A86 - (bits(x) >> 1))
    for _ in range(3): y = mul(y, sub(1.5, mul(h, mul(y, y))))
    return y
def exp(x):
    x = min(max(x, -60.0), 60.0)
    n = float(round(mul(x, f32(1.44269504))))  # round() is half to even
    r = sub(x, mul(n, f32(0.693359375)))
    r = sub(r, mul(n, f32(-2.12194440e-4)))
    p = f32(1.38888889e-3)
    for c in (8.33333333e-3, 4.16666667e-2, 1.66666667e-1, 0.5, 1.0, 1.0): p = add(mul(p, r), f32(c))
    return canonical(mul(p, 2.0 ** int(n)))
def round_half_away(v): return math.copysign(math.floor(add(abs(v), 0.5)), v) if v != 0 else 0.0
def ordered_dot(a, b):
    p = [0.0] * 32
    for k, (x, y) in enumerate(zip(a, b)): p[(k >> 1) & 31] = add(p[(k >> 1) & 31], mul(x, y))
    half = 16
    while half:
        for i in range(half): p[i] = add(p[i], p[i + half])
        half //= 2
    return p[0]

def spread(r, low, high): return f32(math.copysign(2.0 ** r.uniform(low, high), r.random() - 0.5))
def arithmetic():
    r, out = random.Random(1), {}
    positive = [1.0, 2.0, 3.0, f32(1 / 3), 2.0 ** -40, 2.0 ** 40] + [abs(spread(r, -50, 50)) for _ in range(42)]
    out["reciprocal"] = {"x": text(positive), "y": text(map(reciprocal, positive))}
    out["reciprocal_square_root"] = {"x": text(positive), "y": text(map(rsqrt, positive))}
    powers = [0.0, 1.0, -1.0, -41.0, -42.0, -60.0, -100.0, 60.0, 0.5, f32(math.log(2))] + [f32(r.uniform(-45, 20)) for _ in range(54)]
    out["exp"] = {"x": text(powers), "y": text(map(exp, powers))}
    halves = [0.5, -0.5, f32(0.49999997), 1.5, 2.5, -2.5, 8388608.0, f32(8388609.0), f32(0.3), f32(-7.7)]
    out["round_half_away"] = {"x": text(halves), "y": text(map(round_half_away, halves))}
    tiny = [2.0 ** -60, -2.0 ** -60, f32(2.0 ** -60 * 0.9999999), -0.0, 1.0, f32(1e-40), -3.0]
    out["canonical"] = {"x": text(tiny), "y": text(map(canonical, tiny))}
    out["ordered_dot"] = []
    for n in (1, 2, 3, 63, 64, 65, 128, 200):
        a, b = [spread(r, -8, 8) for _ in range(n)], [spread(r, -8, 8) for _ in range(n)]
        out["ordered_dot"].append({"a": text(a), "b": text(b), "y": text([ordered_dot(a, b)])})
    return out

def code_range(b, signed): return (-(1 << (b - 1)), (1 << (b - 1)) - 1) if signed else (0, (1 << b) - 1)
def groups_of(k, g): g = g or k; return [range(s, min(s + g, k)) for s in range(0, k, g)]
def planes(codes, b, k, g):
    """64-bit words, lowest plane first, blocks of 64 codes, every group from a block border."""
    words = []
    for group in groups_of(k, g):
        for s in range(group.start, group.stop, 64):
            block = codes[s:min(s + 64, group.stop)]
            words += [sum(((c >> plane) & 1) << i for i, c in enumerate(block)) for plane in range(b)]
    return words
def matmul(seed, m, n, k, g, wb, ws, ab, asym, group_scales):
    r = random.Random(seed)
    wl, wh = code_range(wb, ws); al, ah = code_range(ab, not asym)
    w = [[r.choice((wl, wh, r.randint(wl, wh))) for _ in range(k)] for _ in range(n)]
    x = [[r.choice((al, ah, r.randint(al, ah))) for _ in range(k)] for _ in range(m)]
    cut = groups_of(k, g); count = len(cut); xg = count if group_scales else 1
    sw = [[abs(spread(r, -12, -4)) for _ in cut] for _ in range(n)]; zw = [[0 if ws else r.randint(0, wh) for _ in cut] for _ in range(n)]
    sx = [[abs(spread(r, -8, 2)) for _ in range(xg)] for _ in range(m)]; zx = [[r.randint(0, ah) if asym else 0 for _ in range(xg)] for _ in range(m)]
    bias = [spread(r, -4, 4) for _ in range(n)]
    acc, y = [], [[0.0] * n for _ in range(m)]
    for gi, cols in enumerate(cut):
        for i in range(m):
            for j in range(n):
                s, z, zz = (gi if group_scales else 0), zx[i][gi if group_scales else 0], zw[j][gi]
                acc.append(sum(x[i][c] * w[j][c] for c in cols))
                exact = sum((x[i][c] - z) * (w[j][c] - zz) for c in cols)
                if ab == 16:  # two 8-bit digits, x = 256 * high + low
                    low, high = sum((x[i][c] & 255) * (w[j][c] - zz) for c in cols), sum((x[i][c] >> 8) * (w[j][c] - zz) for c in cols)
                    value = add(mul(f32(float(high)), 256.0), f32(float(low)))
                else: value = f32(float(exact))
                y[i][j] = add(y[i][j], mul(value, mul(sx[i][s], sw[j][gi])))
    y = [[canonical(add(v, bias[j])) for j, v in enumerate(row)] for row in y]
    flat = lambda rows: [v for row in rows for v in row]
    return {"m": m, "n": n, "k": k, "group": g, "weight_bits": wb, "weight_signed": ws, "activation_bits": ab, "activation_signed": not asym,
            "activation_group_scales": group_scales, "weights": flat(w), "activations": flat(x), "weight_scales": text(flat(sw)), "weight_zeros": flat(zw),
            "activation_scales": text(flat(sx)), "activation_zeros": flat(zx), "bias": text(bias),
            "planes": " ".join(f"{v:016x}" for row in w for v in planes(row, wb, k, g)), "accumulators": acc, "outputs": text(flat(y))}

def dump(name, value):
    with open(os.path.join(HERE, name), "w", newline="\n") as f: json.dump(value, f, indent=1); f.write("\n")
def main():
    dump("arithmetic.json", arithmetic())
    dump("matmul.json", [
        matmul(1, 2, 3, 70, 0, 1, False, 1, True, False),      # one bit each, unsigned, a block and a bit
        matmul(2, 1, 5, 65, 0, 3, False, 8, False, False),     # W3A8: asymmetric weights, symmetric tokens
        matmul(3, 3, 2, 100, 32, 6, True, 6, False, True),     # FlexQ: symmetric groups on both sides, the last shorter
        matmul(4, 2, 4, 64, 0, 4, False, 4, True, False),      # zero points on both sides
        matmul(5, 2, 2, 130, 128, 8, True, 8, True, False),    # widest codes, unsigned activations
        matmul(6, 1, 3, 90, 0, 4, False, 16, False, False),    # 16-bit activations as two digits
    ])

if __name__ == "__main__": main()
