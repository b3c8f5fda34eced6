"""Kernels as vendors' compilers build them: a Markdown table of `portable bench pipelines --json` reports, one a device.

Arguments: [--write FILE] and paths of the reports without their ".json", named by device. A cell is "registers" of the largest kernel of a
shader, as the driver counts them, and "registers, N spilled" where any went to memory. --write puts the table between the marks of a
Markdown file. Exits with 1 where a kernel spills more than is accepted: nothing on AMD and Intel but what ACCEPTED says; other compilers
tell what they do and are not held to it.
"""
import json
import os
import sys

HELD = ("navi31", "gfx1201", "vega10", "bmg", "dg2")

# Spills of the largest kernel, as measured with Mesa 26.2.6: a thread of Intel's Gen12 has 128 registers of eight lanes, half of Xe2's.
ACCEPTED = {
    ("dg2", "attention_digits_matrix"): 111,
    ("dg2", "attention_matrix"): 1,
}

BEGIN, END = "<!-- vendor -->\n", "<!-- /vendor -->\n"


def table(reports):
    """The lines of the table and of what stands below it, and what exceeds the accepted limits."""
    lines = ["| shader | " + " | ".join(reports) + " |", "|---" * (len(reports) + 1) + "|"]
    exceeded = []
    for shader in sorted({row["shader"] for report in reports.values() for row in report["rows"]}):
        cells = []
        for device, report in reports.items():
            rows = [row for row in report["rows"] if row["shader"] == shader]
            registers, spills, scratch = (max((row[key] for row in rows), default=0) for key in ("registers", "spills", "scratch_bytes"))
            cells.append("–" if not rows else (str(registers) if registers else "clean") + (f", {spills} spilled ({scratch} B)" if spills else ""))
            if device in HELD and spills > ACCEPTED.get((device, shader), 0):
                exceeded.append(f"{shader} spills {spills} registers on {device}, accepted are {ACCEPTED.get((device, shader), 0)}")
        lines.append(f"| `{shader}` | " + " | ".join(cells) + " |")
    lines.append("")
    for device, report in reports.items():
        slowest = max(report["rows"], key=lambda row: row["seconds"])
        lines.append(f"- {device}: {report['device']}, {report['driver']}; {len(report['rows'])} kernels, the slowest to build `{slowest['shader']}`, {slowest['seconds']:.1f} s")
    return lines, exceeded


def main(arguments):
    target = arguments[1] if arguments[:1] == ["--write"] else None
    paths = arguments[2:] if target else arguments
    reports = {}
    for path in paths:
        try:
            reports[os.path.basename(path)] = json.load(open(path + ".json"))
        except ValueError:
            print(f"vendor: no report of {os.path.basename(path)}", file=sys.stderr)
    lines, exceeded = table(reports)
    print("\n".join(lines))
    for line in exceeded:
        print(f"vendor: {line}", file=sys.stderr)
    complete = len(reports) == len(paths)
    if target and complete:
        text = open(target, encoding="utf-8").read()
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text[:begin] + "\n".join(lines) + "\n" + text[end:])
    return 0 if complete and not exceeded else 1


sys.exit(main(sys.argv[1:]))
