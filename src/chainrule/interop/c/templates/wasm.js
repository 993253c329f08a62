// SPDX-License-Identifier: MIT
/** Class names, in the order of the outputs. */
export const classes = $classes;

/** Load the bytes of the .wasm file; return a function from pixels (channel by channel, row by row) to outputs.
 * Pixels: $units. */
export async function load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    const { memory, image, outputs, run } = instance.exports;
    return (pixels) => {
        new Float32Array(memory.buffer, image(), $inputs).set(pixels);
        run();
        return new Float32Array(memory.buffer, outputs(), $outputs).slice();
    };
}
