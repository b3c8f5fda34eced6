"""Kernels as vendors' compilers build them: a Markdown table of `portable bench pipelines --json` reports, one a device.

Arguments: paths of the reports without their ".json", named by device. A cell is "registers" of the largest kernel of a shader, as the
driver counts them, and "registers, N spilled" where any went to memory. Exits with 1 where a kernel spills more than is accepted: nothing
on AMD and Intel but what ACCEPTED says; other compilers tell what they do and are not held to it.
"""
import json
import os
import sys

HELD = ("navi31", "gfx1201", "vega10", "bmg", "dg2")

# Spills of the largest kernel, as measured with Mesa 26.2.6: attention with matrices over heads of 128 does not fit an Intel thread's registers.
ACCEPTED = {
    ("bmg", "attention_matrix"): 50,
    ("bmg", "attention_digits_matrix"): 32,
    ("bmg", "decode_digits"): 2,
    ("dg2", "attention_matrix"): 96,
    ("dg2", "attention_digits_matrix"): 165,
    ("dg2", "head"): 7,
}


def main(paths):
    reports = {}
    for path in paths:
        try:
            reports[os.path.basename(path)] = json.load(open(path + ".json"))
        except ValueError:
            print(f"vendor: no report of {os.path.basename(path)}", file=sys.stderr)
    failed = len(reports) < len(paths)
    shaders = sorted({row["shader"] for report in reports.values() for row in report["rows"]})
    print("| shader | " + " | ".join(reports) + " |")
    print("|---" * (len(reports) + 1) + "|")
    for shader in shaders:
        cells = []
        for device, report in reports.items():
            rows = [row for row in report["rows"] if row["shader"] == shader]
            registers, spills, scratch = (max((row[key] for row in rows), default=0) for key in ("registers", "spills", "scratch_bytes"))
            cells.append("–" if not rows else (str(registers) if registers else "clean") + (f", {spills} spilled ({scratch} B)" if spills else ""))
            if device in HELD and spills > ACCEPTED.get((device, shader), 0):
                print(f"vendor: {shader} spills {spills} registers on {device}, accepted are {ACCEPTED.get((device, shader), 0)}", file=sys.stderr)
                failed = True
        print(f"| `{shader}` | " + " | ".join(cells) + " |")
    for device, report in reports.items():
        slowest = max(report["rows"], key=lambda row: row["seconds"])
        print(f"\n{device}: {report['device']}, {report['driver']}; {len(report['rows'])} kernels, the slowest to build `{slowest['shader']}`, {slowest['seconds']:.1f} s.", end="")
    print()
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
