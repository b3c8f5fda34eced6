#!/bin/sh
# The curve of FlattenQuant: perplexity against the INT4 share, with and without GPTQ, with and without weight flattening, by
# the search and by the box plot with three values of beta. One Markdown row per point, printed as it is measured.
#   sh reference/papers/flattenquant-curve.sh TOOL MODEL CALIBRATION EVALUATION [WINDOWS [SAMPLES [full]]]
# TOOL is the command, for example "dotnet src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll". Without "full" every variant
# is run at the default share alone, and the default variant at all shares.
set -eu
tool=$1 model=$2 calibration=$3 text=$4 windows=${5:-60} samples=${6:-128} extent=${7:-short}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

point() {
    share=$1 gptq=$2 weights=$3 ranges=$4 beta=$5
    $tool quantize "$model" --method flatten --scheme W4A4 --calibration "$calibration" --samples "$samples" --output "$folder/model" --overwrite --json \
        --int4-budget "$share" --gptq "$gptq" --flatten-weights "$weights" --ranges "$ranges" --beta "$beta" >/dev/null 2>&1
    real=$(grep -o '"int4_share": *[0-9.e-]*' "$folder/model/manifest.json" | grep -o '[0-9.e-]*$')
    value=$($tool perplexity "$folder/model" --text "$text" --windows "$windows" --json 2>/dev/null | grep -o '"perplexity": *[0-9.]*' | grep -o '[0-9.]*$')
    awk "BEGIN { printf \"| %.1f %% | %s | %s | %s | %.3f |\n\", 100 * $real, \"$gptq\", \"$weights\", \"$ranges\" == \"search\" ? \"search\" : \"β = $beta\", $value }"
}

echo "| INT4 | GPTQ | weights flattened | ranges | perplexity |"
echo "| --- | --- | --- | --- | --- |"
if [ "$extent" = full ]; then
    for share in 0 0.25 0.4829 0.75 1; do
        for gptq in on off; do
            for weights in on off; do
                point $share $gptq $weights search 1.5
                for beta in 1.0 1.5 2.5; do
                    point $share $gptq $weights boxplot $beta
                done
            done
        done
    done
else
    for share in 0.4829 1 0 0.75 0.25; do
        point $share on on search 1.5
    done
    point 0.4829 off on search 1.5
    point 0.4829 on off search 1.5
    point 0.4829 off off search 1.5
    for beta in 1.0 1.5 2.5; do
        point 0.4829 on on boxplot $beta
    done
    point 0.4829 off on boxplot 1.5
    point 0.4829 on off boxplot 1.5
fi
