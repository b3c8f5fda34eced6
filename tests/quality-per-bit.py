#!/usr/bin/env python3
"""Quality per bit: quantized checkpoints beside llama.cpp's types with an importance matrix, on the same windows and positions.

    python3 tests/quality-per-bit.py --model DIR --text FILE --calibration FILE --work DIR [--text FILE …]
        [--ours METHOD:SCHEME[:OPTION=VALUE…],…] [--types Q4_K_M,…] [--windows 60] [--context 512] [--samples 128] [--threads N] [--jobs N] [--only ours|theirs]
        [--llama-root DIR] [-- COMMAND…]

Theirs: the float checkpoint (LLaMA layout, SentencePiece) becomes a GGUF of 32-bit floats; llama-imatrix reads --samples windows of the calibration text; llama-quantize
makes each type with that matrix, output and token embedding left at f16; llama-perplexity measures the mean Kullback–Leibler divergence to the
float model. Ours: `portable quantize` on as many windows of that text and `portable compare`, which COMMAND starts
(default: dotnet src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll);
--jobs quantizations share the threads. Bits are counted over the linears of the blocks, scales and zero points included.

Both score the second half of each window (llama-perplexity has no other way; `compare --skip CONTEXT/2`). So that windows are the same to the token,
the GGUF puts no beginning-of-sequence token anywhere; the text given to llama.cpp begins with the words <s>, a token of the user's in
that GGUF. The ids of both tokenizers are compared before anything is measured.

The programs are those on the PATH, or of --llama-root, a folder into which Debian's packages llama.cpp-tools, llama.cpp-tools-extra, libllama0,
libggml0, libc6, libgcc-s1, libstdc++6, libgomp1, libssl3t64 and zlib1g were unpacked (apt-get download, dpkg -x). What is in --work is not made again."""
import concurrent.futures, json, math, os, re, struct, subprocess, sys, time

TYPES = ("IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M Q2_K_S Q2_K IQ3_XXS IQ3_XS IQ3_S IQ3_M Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL Q4_0 Q4_K_S Q4_K_M "
         "Q5_0 Q5_K_S Q5_K_M Q6_K Q8_0")
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144),
          13: (256, 176), 14: (256, 210), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
          23: (256, 136), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66)}  # ggml type: weights of a block, bytes


# ---- GGUF ---------------------------------------------------------------------------------------------------------------
def tensors_of(folder):
    """Name to (dtype, shape, bytes) of every tensor of a safetensors checkpoint."""
    found = {}
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".safetensors")):
        with open(os.path.join(folder, name), "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
            start = f.tell()
            for tensor, info in header.items():
                if tensor != "__metadata__":
                    f.seek(start + info["data_offsets"][0])
                    found[tensor] = (info["dtype"], info["shape"], f.read(info["data_offsets"][1] - info["data_offsets"][0]))
    return found


def to_f32(dtype, data):
    if dtype == "F32": return data
    if dtype == "F16":
        n = len(data) // 2
        return struct.pack(f"<{n}f", *struct.unpack(f"<{n}e", data))
    if dtype != "BF16": sys.exit(f"{dtype} weights are not read here")
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return bytes(wide)


def interleaved(data, heads, rows):
    """Rows of a head from halves to pairs: GGUF's order of rotary pairs."""
    width, size = len(data) // rows, rows // heads
    order = [h * size + part * (size // 2) + i for h in range(heads) for i in range(size // 2) for part in (0, 1)]
    return b"".join(data[r * width:(r + 1) * width] for r in order)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128: return value, at


def fields_of(data):
    """(number, value) of a protobuf message, values as they lie."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0: value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            length = 4 if key & 7 == 5 else 8
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def pieces_of(path):
    """Pieces of a SentencePiece model: text, score, kind."""
    with open(path, "rb") as f: model = f.read()
    for number, value in fields_of(model):
        if number == 1:
            piece = dict(fields_of(value))
            yield piece[1], struct.unpack("<f", piece.get(2, bytes(4)))[0], piece.get(3, 1)


def write_gguf(folder, path):
    with open(os.path.join(folder, "config.json")) as f: config = json.load(f)
    weights, pieces = tensors_of(folder), list(pieces_of(os.path.join(folder, "tokenizer.model")))
    heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads", heads)
    size = config.get("head_dim", config["hidden_size"] // heads)
    begin = config["bos_token_id"]
    out = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    if not config.get("tie_word_embeddings"): out["output.weight"] = "lm_head.weight"
    for i in range(config["num_hidden_layers"]):
        for theirs, ours in {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
                             "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}.items():
            out[f"blk.{i}.{theirs}.weight"] = f"model.layers.{i}.{ours}.weight"
    def text(s): s = s if isinstance(s, bytes) else s.encode(); return struct.pack("<Q", len(s)) + s
    def u32(v): return struct.pack("<II", 4, v)
    def f32(v): return struct.pack("<If", 6, v)
    def word(s): return struct.pack("<I", 8) + text(s)
    def array(kind, count, data): return struct.pack("<IIQ", 9, kind, count) + data
    fields = {
        "general.architecture": word("llama"), "general.name": word(os.path.basename(folder)), "llama.context_length": u32(config["max_position_embeddings"]),
        "llama.embedding_length": u32(config["hidden_size"]), "llama.block_count": u32(config["num_hidden_layers"]), "llama.feed_forward_length": u32(config["intermediate_size"]),
        "llama.attention.head_count": u32(heads), "llama.attention.head_count_kv": u32(kv), "llama.attention.layer_norm_rms_epsilon": f32(config["rms_norm_eps"]),
        "llama.rope.dimension_count": u32(size), "llama.rope.freq_base": f32(config.get("rope_theta", 10000.0)), "llama.vocab_size": u32(config["vocab_size"]),
        "tokenizer.ggml.model": word("llama"), "tokenizer.ggml.bos_token_id": u32(begin), "tokenizer.ggml.eos_token_id": u32(config["eos_token_id"]),
        "tokenizer.ggml.add_bos_token": struct.pack("<IB", 7, 0), "tokenizer.ggml.add_eos_token": struct.pack("<IB", 7, 0), "tokenizer.ggml.add_space_prefix": struct.pack("<IB", 7, 1),
        "tokenizer.ggml.tokens": array(8, len(pieces), b"".join(text(p[0]) for p in pieces)),
        "tokenizer.ggml.scores": array(6, len(pieces), b"".join(struct.pack("<f", p[1]) for p in pieces)),
        "tokenizer.ggml.token_type": array(5, len(pieces), b"".join(struct.pack("<i", 4 if i == begin else p[2]) for i, p in enumerate(pieces))),
    }
    with open(path + ".tmp", "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(out), len(fields)) + b"".join(text(k) + v for k, v in fields.items()))
        offset = 0
        for name, source in out.items():
            shape = weights[source][1]
            f.write(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, offset))
            offset += (4 * math.prod(shape) + 31) // 32 * 32
        f.write(bytes(-f.tell() % 32))
        for name, source in out.items():
            dtype, shape, data = weights[source]
            data = to_f32(dtype, data)
            if name.endswith(("attn_q.weight", "attn_k.weight")): data = interleaved(data, heads if "attn_q" in name else kv, shape[0])
            f.write(data + bytes(-len(data) % 32))
    os.rename(path + ".tmp", path)


def bits_of(path):
    """Bits per weight over the matrices of the blocks, and the types that they have."""
    with open(path, "rb") as f:
        def number(form): return struct.unpack("<" + form, f.read(struct.calcsize(form)))[0]
        def text(): return f.read(number("Q")).decode("utf-8", "replace")
        def skip(kind):
            if kind == 8: text()
            elif kind == 9:
                inner, count = number("I"), number("Q")
                for _ in range(count): skip(inner)
            else: f.read({0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}[kind])
        f.read(8)
        tensors, pairs = number("Q"), number("Q")
        for _ in range(pairs): text(); skip(number("I"))
        bits = count = 0
        for _ in range(tensors):
            name = text()
            shape = [number("Q") for _ in range(number("I"))]
            kind = number("I"); number("Q")
            if name.startswith("blk.") and len(shape) == 2:
                step, size = BLOCKS[kind]
                bits, count = bits + 8 * math.prod(shape) // step * size, count + math.prod(shape)
        return bits / count


# ---- runs ---------------------------------------------------------------------------------------------------------------
def run(argv, cwd=None):
    p = subprocess.run(argv, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, cwd=cwd)
    if p.returncode: sys.exit(f"{' '.join(argv)} failed: {(p.stderr.strip().splitlines() or ['no message'])[-1]}")
    return p.stdout + "\n" + p.stderr if cwd or "llama" in argv[0] else p.stdout


class Llama:
    """llama.cpp's programs, on the PATH or unpacked beside a loader of their own."""
    def __init__(self, root): self.root = os.path.abspath(root) if root else None

    def __call__(self, program, *arguments):
        if not self.root: return run([program, *arguments])
        libraries = os.path.join(self.root, "usr/lib/x86_64-linux-gnu")
        return run([os.path.join(self.root, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", f"{libraries}:{libraries}/llama", os.path.join(self.root, "usr/bin", program), *arguments],
                   cwd=os.path.join(libraries, "ggml/backends0"))  # it looks for its CPU variants in the current folder


def kept(path, make):
    """A JSON value that is made once."""
    if os.path.exists(path):
        with open(path) as f: return json.load(f)
    value = make()
    with open(path + ".tmp", "w") as f: json.dump(value, f)
    os.rename(path + ".tmp", path)
    return value


def theirs(o, llama, command, model, texts, types):
    name, folder = os.path.basename(model), os.path.join(o["--work"], os.path.basename(model))
    os.makedirs(folder, exist_ok=True)
    whole, matrix = os.path.join(folder, "f32.gguf"), os.path.join(folder, "imatrix.gguf")
    threads = ["-t", o["--threads"]]
    if not os.path.exists(whole): write_gguf(model, whole)
    if not os.path.exists(matrix):
        marked(o["--calibration"], os.path.join(folder, "calibration.txt"))
        llama("llama-imatrix", "-m", whole, "-f", os.path.join(folder, "calibration.txt"), "-o", matrix + ".tmp", "--output-format", "gguf", "--no-ppl", "-c", o["--context"], "--chunks", o["--samples"], *threads)
        os.rename(matrix + ".tmp", matrix)
    rows = {}
    for text in texts:
        words, base = os.path.join(folder, os.path.basename(text)), os.path.join(folder, os.path.basename(text) + ".kld")
        marked(text, words)
        def same():
            got = [int(i) for i in re.findall(r"-?\d+", llama("llama-tokenize", "-m", whole, "-f", words, "--ids", "--no-parse-special", "--log-disable").split("[")[-1].split("]")[0])]
            want = json.loads(run([*command, "tokenize", model, "--file", text, "--with-special", "--json"]))["ids"]
            need = int(o["--windows"]) * int(o["--context"])
            if got[:need] != want[:need]: sys.exit(f"{name}, {text}: the two tokenizers part at token {next(i for i, (a, b) in enumerate(zip(got, want)) if a != b)}")
            return len(want)
        kept(base + ".ids.json", same)
        common = ["-f", words, "-c", o["--context"], "--chunks", o["--windows"], *threads]
        def measure(kind):
            path = os.path.join(folder, kind + ".gguf")
            if not os.path.exists(path):
                llama("llama-quantize", "--imatrix", matrix, "--output-tensor-type", "f16", "--token-embedding-type", "f16", whole, path + ".tmp", kind, o["--threads"])
                os.rename(path + ".tmp", path)
            out = llama("llama-perplexity", "-m", path, *common, "--kl-divergence", "--kl-divergence-base", base)
            def number(label): return float(re.search(label + r"\s*:\s*(-?[\d.]+(?:e-?\d+)?)", out).group(1))
            return {"bits_per_weight": bits_of(path), "kld": number(r"Mean\s+KLD"), "kld_99": number(r"99\.0%\s+KLD"), "top1": number(r"Same top p") / 100, "ratio": number(r"Mean PPL\(Q\)/PPL\(base\)")}
        if any(not os.path.exists(f"{base}.{t}.json") for t in types):
            if not os.path.exists(base):
                llama("llama-perplexity", "-m", whole, *common, "--kl-divergence-base", base + ".tmp", "-fa", "off", "-ctk", "f32", "-ctv", "f32")
                os.rename(base + ".tmp", base)
        rows[text] = {}
        for t in types:
            row = rows[text][t] = kept(f"{base}.{t}.json", lambda: measure(t))
            print(f"{name:12} {os.path.basename(text):22} {t:8} {row['bits_per_weight']:.3f} bits  KLD {row['kld']:.6f}  99 % {row['kld_99']:.5f}  same top {row['top1']:.4f}", file=sys.stderr, flush=True)
    return rows


def marked(source, path):
    with open(source, "rb") as f, open(path, "wb") as g: g.write(b"<s>" + f.read())


def ours(o, command, model, texts, wanted):
    name, folder = os.path.basename(model), os.path.join(o["--work"], os.path.basename(model), "ours")
    os.makedirs(folder, exist_ok=True)
    jobs = int(o["--jobs"])
    threads = str(max(1, int(o["--threads"]) // jobs))
    def quantized(item):
        method, scheme, *settings = item.split(":")
        path = os.path.join(folder, item.replace("*", "star").replace(":", "_").replace("=", "-"))
        def make():
            start = time.time()
            options = {"samples": o["--samples"], "context": o["--context"], **dict(s.split("=", 1) for s in settings)}
            run([*command, "quantize", model, "--method", method, "--scheme", scheme, "--calibration", o["--calibration"], "--output", path, "--threads", threads, "--json",
                 *(w for name, value in options.items() for w in ("--" + name, value))])
            return time.time() - start
        seconds = kept(path + ".seconds.json", make)
        print(f"{name:12} {item:40} quantized in {seconds:.0f} s with {threads} threads", file=sys.stderr, flush=True)
        return path, seconds
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool: directories = dict(zip(wanted, pool.map(quantized, wanted)))
    rows = {}
    for text in texts:
        rows[text] = {}
        missing = [i for i in wanted if not os.path.exists(f"{directories[i][0]}.{os.path.basename(text)}.json")]
        if missing:
            got = json.loads(run([*command, "compare", model, *(directories[i][0] for i in missing), "--text", text, "--context", o["--context"], "--windows", o["--windows"],
                                  "--skip", str(int(o["--context"]) // 2), "--threads", o["--threads"], "--json"]))["rows"]
            for item, row in zip(missing, got[1:]): kept(f"{directories[item][0]}.{os.path.basename(text)}.json", lambda: {k: v for k, v in row.items() if k != "model"})
        for item in wanted:
            rows[text][item] = kept(f"{directories[item][0]}.{os.path.basename(text)}.json", lambda: sys.exit("unreachable")) | {"seconds": directories[item][1]}
    return rows


# ---- the table ----------------------------------------------------------------------------------------------------------
def envelope(rows):
    """Lower convex envelope of (bits, ln KLD): no type, and no mixture of two types over the weights, is expected below it."""
    best = []
    for point in sorted((r["bits_per_weight"], math.log(r["kld"])) for r in rows.values()):
        if best and point[1] >= best[-1][1]: continue  # more bits, nothing gained
        while len(best) > 1 and (best[-1][1] - best[-2][1]) * (point[0] - best[-2][0]) >= (point[1] - best[-2][1]) * (best[-1][0] - best[-2][0]): best.pop()
        best.append(point)
    return best


def at(best, bits):
    """KLD on the envelope; beyond its ends that of the nearest type."""
    if bits <= best[0][0]: return math.exp(best[0][1])
    if bits >= best[-1][0]: return math.exp(best[-1][1])
    (b0, k0), (b1, k1) = next((p, q) for p, q in zip(best, best[1:]) if p[0] <= bits <= q[0])
    return math.exp(k0 + (k1 - k0) * (bits - b0) / (b1 - b0))


def main():
    argv, command = sys.argv[1:], ["dotnet", "src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll"]
    if "--" in argv: argv, command = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    o = {"--types": ",".join(TYPES.split()), "--ours": "", "--windows": "60", "--samples": "128", "--jobs": "1", "--context": "512", "--threads": str(len(os.sched_getaffinity(0))), "--llama-root": "", "--only": "", "--work": "", "--calibration": ""}
    texts, models = [], []
    if len(argv) % 2: sys.exit(__doc__)
    for key, value in zip(argv[::2], argv[1::2]):
        if key == "--text": texts.append(os.path.abspath(value))
        elif key == "--model": models.append(os.path.abspath(value.rstrip("/")))
        elif key in o: o[key] = value
        else: sys.exit(__doc__)
    if not (texts and models and o["--work"] and o["--calibration"]): sys.exit(__doc__)
    o["--work"], o["--calibration"] = os.path.abspath(o["--work"]), os.path.abspath(o["--calibration"])
    wanted, types = [i for i in o["--ours"].split(",") if i], o["--types"].split(",")
    for model in models:
        their = theirs(o, Llama(o["--llama-root"]), command, model, texts, types) if o["--only"] != "ours" else {}
        our = ours(o, command, model, texts, wanted) if wanted and o["--only"] != "theirs" else {}
        names = [os.path.basename(t) for t in texts]
        if their:
            print(f"\n### {os.path.basename(model)}, llama.cpp\n\n| type | bits | " + " | ".join(f"KLD, {n} | 99 % | same top" for n in names) + " |\n|---|---|" + "---|" * 3 * len(texts))
            for t in sorted(types, key=lambda t: their[texts[0]][t]["bits_per_weight"]):
                print(f"| {t} | {their[texts[0]][t]['bits_per_weight']:.2f} | " + " | ".join(f"{r['kld']:.5f} | {r['kld_99']:.4f} | {r['top1']:.4f}" for r in (their[x][t] for x in texts)) + " |")
        if our:
            print(f"\n### {os.path.basename(model)}, Portable\n\n| method and scheme | bits | s | " + " | ".join(f"KLD, {n} | theirs there | ratio" for n in names) + " |\n|---|---|---|" + "---|" * 3 * len(texts))
            for item in sorted(wanted, key=lambda i: our[texts[0]][i]["bits_per_weight"]):
                cells = []
                for x in texts:
                    row = our[x][item]
                    there = at(envelope(their[x]), row["bits_per_weight"]) if their else math.nan
                    cells.append(f"{row['kld']:.5f} | {there:.5f} | {row['kld'] / there:.2f}")
                print(f"| {item.replace(':', ' ')} | {our[texts[0]][item]['bits_per_weight']:.2f} | {our[texts[0]][item]['seconds']:.0f} | " + " | ".join(cells) + " |")


main()
