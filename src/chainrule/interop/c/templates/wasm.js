/** Class names, in the order of the outputs. */
export const classes = $classes;

/** Return a function from pixels (channel after channel, row after row) to outputs, given the bytes of the .wasm file. */
export async function load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    const { memory, image, outputs, run } = instance.exports;
    return (pixels) => {
        new Float32Array(memory.buffer, image(), $inputs).set(pixels);
        run();
        return new Float32Array(memory.buffer, outputs(), $outputs).slice();
    };
}
