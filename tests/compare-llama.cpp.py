#!/usr/bin/env python3
"""Portable beside an installed llama.cpp on this machine's CPU: the same shapes, in turns, medians of ratios.

    python3 tests/compare-llama.cpp.py [--shape small-llama] [--schemes W4A8,W8A8,W2A8] [--threads 1,2] [--context 512]
        [--tokens N] [--pairs 5] [--blocks N] [--llama-bench PATH | --llama-root DIR] [-- COMMAND...]

COMMAND starts Portable; default: dotnet src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll. --llama-bench is a program of
that name (default: the one on the PATH). --llama-root is a folder into which Debian's packages llama.cpp-tools, libllama0,
libggml0, libc6, libgcc-s1, libstdc++6, libgomp1, libssl3t64 and zlib1g were unpacked (apt-get download, dpkg -x); the program
then runs through the loader of that folder. Nothing else is needed: the script writes GGUF files with made-up weights, since
speed does not depend on their values: Q4_0 beside 4 bits, Q8_0 beside 8, TQ2_0 beside 2, and removes them at the end. Head
and embedding are F16 on both sides, or Q6_K beside a scheme's H8 (W4A8H8). --blocks: only so many blocks of the shape, on
both sides. Both sides' decoding is the mean over all tokens, by default 512 of small-llama's shape and 64 of others: of a small
model's first 128 much is the process's, which compiles as it runs. A ratio above 1 says that Portable is faster."""
import argparse, json, os, shutil, statistics, struct, subprocess, sys, tempfile

SHAPES = {  # hidden, intermediate, blocks, heads, key/value heads, vocabulary: those of `portable bench model`
    "small-llama": (512, 1408, 6, 8, 4, 8192),
    "llama-7b": (4096, 11008, 32, 32, 32, 32000),
    "llama-3-8b": (4096, 14336, 32, 32, 8, 128256),
}
F32, F16, Q4_0, Q8_0, Q6_K, TQ2_0 = 0, 1, 2, 8, 14, 35
BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34), Q6_K: (256, 210), TQ2_0: (256, 66)}
SCALE = struct.pack("<e", 0.01)
TYPES = {"W4": (Q4_0, "Q4_0"), "W8": (Q8_0, "Q8_0"), "W2": (TQ2_0, "TQ2_0"), "W2*": (TQ2_0, "TQ2_0")}


def values(kind, count):
    """Made-up weights: a few kilobytes over and over, scales small."""
    step, size = BLOCKS[kind]
    noise = os.urandom(size * 64)
    if kind == F32: block = struct.pack("<f", 1.0) * 64
    elif kind == F16: block = b"".join(struct.pack("<e", (b - 128) / 8192) for b in noise[:64])
    else:
        pieces = [noise[i * size:(i + 1) * size] for i in range(64)]
        block = b"".join(p[:-2] + SCALE if kind in (Q6_K, TQ2_0) else SCALE + p[2:] for p in pieces)
    need = count // step * size
    while need > 0:
        chunk = block * max(1, min(need // len(block), 256))
        yield chunk[:need]
        need -= min(need, len(chunk))


def write_gguf(path, shape, blocks, kind, table, context):
    hidden, inner, _, heads, kv, vocabulary = shape
    size = hidden // heads
    def linear(n, k): return (n, k, kind if k % BLOCKS[kind][0] == 0 else Q4_0)  # as llama-quantize falls back
    tensors = {"token_embd.weight": (vocabulary, hidden, table)}
    for i in range(blocks):
        tensors.update({f"blk.{i}.{name}.weight": t for name, t in {
            "attn_norm": (1, hidden, F32), "attn_q": linear(hidden, hidden), "attn_k": linear(kv * size, hidden), "attn_v": linear(kv * size, hidden),
            "attn_output": linear(hidden, hidden), "ffn_norm": (1, hidden, F32), "ffn_gate": linear(inner, hidden), "ffn_up": linear(inner, hidden),
            "ffn_down": linear(hidden, inner)}.items()})
    tensors.update({"output_norm.weight": (1, hidden, F32), "output.weight": (vocabulary, hidden, table)})
    def text(s): return struct.pack("<Q", len(s)) + s.encode()
    u32 = lambda v: struct.pack("<II", 4, v)
    fields = {
        "general.architecture": struct.pack("<I", 8) + text("llama"), "general.name": struct.pack("<I", 8) + text("made up"),
        "llama.context_length": u32(context), "llama.embedding_length": u32(hidden), "llama.block_count": u32(blocks),
        "llama.feed_forward_length": u32(inner), "llama.attention.head_count": u32(heads), "llama.attention.head_count_kv": u32(kv),
        "llama.attention.layer_norm_rms_epsilon": struct.pack("<If", 6, 1e-5), "llama.rope.dimension_count": u32(size),
        "llama.vocab_size": u32(vocabulary), "tokenizer.ggml.model": struct.pack("<I", 8) + text("no_vocab"),
    }
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(text(k) + v for k, v in fields.items()))
        offset = 0
        for name, (n, k, t) in tensors.items():
            dims = (k,) if n == 1 else (k, n)
            f.write(text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", t, offset))
            offset += (n * k // BLOCKS[t][0] * BLOCKS[t][1] + 31) // 32 * 32
        f.write(bytes(-f.tell() % 32))
        for n, k, t in tensors.values():
            for chunk in values(t, n * k): f.write(chunk)
            f.write(bytes(-f.tell() % 32))


def arguments():
    argv, command = sys.argv[1:], ["dotnet", "src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll"]
    if "--" in argv: argv, command = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS, allow_abbrev=False)
    def positive(text):
        if not text.isdigit() or int(text) < 1: raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 on")
        return int(text)
    def numbers(text): return [positive(t) for t in text.split(",")]
    def schemes(text):
        for scheme in text.split(","):
            if scheme.split("A")[0] not in TYPES: raise argparse.ArgumentTypeError(f"llama.cpp has nothing like '{scheme}': schemes of {', '.join(TYPES)}")
        return text.split(",")
    parser.add_argument("--shape", choices=list(SHAPES), default="small-llama")
    parser.add_argument("--schemes", type=schemes, default=["W4A8", "W8A8", "W2A8"])
    parser.add_argument("--threads", type=numbers, default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--context", type=positive, default=512)
    parser.add_argument("--tokens", type=positive)
    parser.add_argument("--pairs", type=positive, default=5)
    parser.add_argument("--blocks", type=positive)
    parser.add_argument("--llama-bench", default="llama-bench")
    parser.add_argument("--llama-root")
    return parser, parser.parse_args(argv), command


def find_llama(parser, options):
    """What starts llama-bench, and from which folder."""
    if options.llama_root is None:
        path = shutil.which(options.llama_bench)
        if path is None: parser.error(f"there is no program {options.llama_bench}: install llama.cpp, or give --llama-bench PATH or --llama-root DIR")
        return [path], None
    libraries = os.path.join(os.path.abspath(options.llama_root), "usr/lib/x86_64-linux-gnu")
    loader, program, folder = (os.path.join(os.path.abspath(options.llama_root), p) for p in ("usr/lib64/ld-linux-x86-64.so.2", "usr/bin/llama-bench", "usr/lib/x86_64-linux-gnu/ggml/backends0"))
    for path in (loader, program, folder):
        if not os.path.exists(path): parser.error(f"--llama-root: {path} is not there; unpack all packages that --help names")
    return [loader, "--library-path", f"{libraries}:{libraries}/llama", program], folder  # it looks for its CPU variants in the current folder, too


def run(argv, cwd=None):
    try: p = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd)
    except OSError as e: sys.exit(f"{argv[0]} cannot be started: {e.strerror}")
    if p.returncode: sys.exit(f"{argv[0]} failed: {(p.stderr.strip().splitlines() or ['no message'])[-1]}")
    try: return json.loads(p.stdout)
    except ValueError: sys.exit(f"{argv[0]} did not answer with JSON: {p.stdout.strip()[:200] or 'nothing'}")


def main():
    parser, options, command = arguments()
    bench, folder = find_llama(parser, options)
    name, context, shape = options.shape, options.context, SHAPES[options.shape]
    tokens = options.tokens or (512 if name == "small-llama" else 64)
    blocks = options.blocks or shape[2]
    work = tempfile.mkdtemp(prefix="compare-llama-")
    try:
        print(f"{name}{f', {blocks} blocks' if blocks != shape[2] else ''}: medians of {options.pairs} pairs; tokens/s of Portable / llama.cpp")
        for scheme in options.schemes:
            kind, like = TYPES[scheme.split("A")[0]]
            path = os.path.join(work, "model.gguf")
            write_gguf(path, shape, blocks, kind, Q6_K if "H8" in scheme else F16, context + tokens)
            for threads in map(str, options.threads):
                rows = {"prefill": [], "decode": []}
                for _ in range(options.pairs):
                    ours = run([*command, "bench", "model", "--shape", name, "--scheme", scheme, "--context", str(context), "--tokens", str(tokens), "--blocks", str(blocks), "--threads", threads, "--json"])
                    common = [*bench, "-m", path, "-t", threads, "-r", "1", "-o", "json", "-ngl", "0"]
                    prefill = run([*common, "-p", str(context), "-n", "0"], folder)[0]["avg_ts"]
                    decode = run([*common, "-p", "0", "-n", str(tokens), "-d", str(context)], folder)[0]["avg_ts"]
                    rows["prefill"].append((ours["prefill_tokens_per_second"], prefill))
                    rows["decode"].append((1000 / ours["decode_mean_milliseconds"], decode))
                for what, r in rows.items():
                    ratio, a, b = (statistics.median(v) for v in ([x / y for x, y in r], [x for x, _ in r], [y for _, y in r]))
                    print(f"{scheme:8} / {like:5} {threads:>2} threads  {what:8}{context:>6}: {a:9.1f} / {b:9.1f} = {ratio:.2f}", flush=True)
            os.remove(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
