#!/usr/bin/env python3
"""Every method beside float on small models of many architectures: a table in Markdown of perplexities.

    python3 tests/zoo-methods.py --zoo DIR --text FILE --calibration FILE [--models NAME,...] [--windows 32] [--context 512]
        [--samples N --calibration-context N] [--threads N] [--keep DIR] [-- COMMAND...]

DIR holds Hugging Face checkpoints, one a folder; FILE is UTF-8 text, scored in the first windows of it, and calibrated on, with
the options that a user gets without asking; --samples and --calibration-context make the calibration shorter. COMMAND starts Portable; default: dotnet
src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll. --keep: quantized checkpoints stay there, and a run goes on where one
was stopped. A cell is the perplexity over float's; a method that declines a model shows its own words below the table. The exit
status is 1 where anything fails without a named refusal, where gptq W4A8g128 is above 1.02, or where abq W4A4KV4 is not better
than rtn W4A4KV4: models this small judge whether all is connected, not how good a method is."""
import json, os, shutil, subprocess, sys, tempfile

COLUMNS = [("rtn", "W8A8KV8"), ("flexq", "W6A6g128"), ("gptq", "W4A8g128"), ("rtn", "W4A4KV4"), ("abq", "W4A4KV4"), ("flatten", "W4A4")]
GPTQ_LIMIT = 1.02

args, command = sys.argv[1:], ["dotnet", "src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll"]
if "--" in args:
    command, args = args[args.index("--") + 1:], args[:args.index("--")]
options = dict(zip(args[::2], args[1::2]))
if len(args) % 2 or not {"--zoo", "--text", "--calibration"} <= options.keys():
    sys.exit(__doc__)
threads = ["--threads", options["--threads"]] if "--threads" in options else []
shorter = [part for name, meant in (("--samples", "--samples"), ("--calibration-context", "--context")) if name in options for part in (meant, options[name])]
work = options.get("--keep") or tempfile.mkdtemp(prefix="portable-zoo-")


class Declined(Exception): pass


def call(*argv):
    done = subprocess.run([*command, *argv, *threads, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode} without a word"]
        raise (Declined if done.returncode == 2 and len(said) == 1 else RuntimeError)(said[-1])
    return json.loads(done.stdout)


def perplexity(directory):
    return call("perplexity", directory, "--text", options["--text"], "--context", options.get("--context", "512"), "--windows", options.get("--windows", "32"))["perplexity"]


def measured(model, name, method=None, scheme=None):
    """Perplexity of the float model, or of a quantized one, kept beside the checkpoint."""
    out = os.path.join(work, "-".join(filter(None, (name, method, scheme))))
    if not os.path.exists(out + ".json"):
        if method: call("quantize", model, "--method", method, "--scheme", scheme, "--calibration", options["--calibration"], "--output", out, *shorter)
        value = perplexity(out if method else model)
        with open(out + ".json", "w") as f: json.dump(value, f)
    with open(out + ".json") as f: return json.load(f)


def row(name):
    model, cells, faults, refusals = os.path.join(options["--zoo"], name), {}, [], []
    exact = measured(model, name)
    for method, scheme in COLUMNS:
        try: cells[method, scheme] = measured(model, name, method, scheme) / exact
        except Declined as e: refusals.append(f"{method} {scheme}: {e}")
        except (RuntimeError, ValueError, KeyError) as e: faults.append(f"{name}, {method} {scheme}: {e}")
    if cells.get(("gptq", "W4A8g128"), 0) > GPTQ_LIMIT: faults.append(f"{name}: gptq W4A8g128 is {cells['gptq', 'W4A8g128']:.4f} of float, more than {GPTQ_LIMIT}")
    if cells.get(("abq", "W4A4KV4"), 0) >= cells.get(("rtn", "W4A4KV4"), 9e9): faults.append(f"{name}: abq W4A4KV4 is not better than rtn")
    print("| " + " | ".join([name, f"{exact:.3f}", *(f"{cells[c]:.4f}" if c in cells else "declined" for c in COLUMNS)]) + " |", flush=True)
    return faults, refusals


def main():
    names = options["--models"].split(",") if "--models" in options else sorted(n for n in os.listdir(options["--zoo"]) if os.path.exists(os.path.join(options["--zoo"], n, "config.json")))
    os.makedirs(work, exist_ok=True)
    print("| model | float | " + " | ".join(f"{m} {s}" for m, s in COLUMNS) + " |\n|---|---|" + "---|" * len(COLUMNS), flush=True)
    faults, refusals = [], {}
    for name in names:
        bad, declined = row(name)
        faults += bad
        for line in declined: refusals.setdefault(line, []).append(name)
    if refusals: print("\nDeclined:\n")
    for line, by in refusals.items(): print(f"- {', '.join(by)}: {line}")
    if faults: print("\nWrong:\n")
    for fault in faults: print(f"- {fault}")
    if "--keep" not in options: shutil.rmtree(work)
    return 1 if faults else 0


sys.exit(main())
