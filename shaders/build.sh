#!/bin/sh
# Compiles shaders/*/*.comp to shaders/spirv/*.spv (names are unique over the folders) and writes the manifest: one line per
# shader, "name source-hash", where the hash covers the shader's source and every include. glslc comes from $GLSLC or PATH.
set -eu
cd "$(dirname "$0")"
GLSLC=${GLSLC:-glslc}
out=${1:-spirv}
mkdir -p "$out"
for source in */*.comp; do
    name=$(basename "$source" .comp)
    "$GLSLC" --target-env=vulkan1.3 -O -I include -o "$out/$name.spv" "$source"
done
{
    echo "# compiler: $("$GLSLC" --version | head -n 1)"
    for source in */*.comp; do
        echo "$(basename "$source" .comp) $(cat "$source" include/*.glsl | sha256sum | cut -d' ' -f1)"
    done | LC_ALL=C sort
} > "$out/manifest.txt"
