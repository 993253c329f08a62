"""The page as one self-contained file: its modules, its styles, a network, pictures and a few frames.

What `source/file.js` finds in the document:

    globalThis.chainruleModules   {"engine/worker.js": "blob:…", …}: the address of every module, by its path
    <script type="application/json" id="chainrule-data">, an object:
        format        1
        description   what `GET /api/description` answers
        samples       {count, labels, shape, x: PACKED bytes}: all classes are among them
        training      TrainingState of page/types.js as it was written (running is false)
        series        {first: 1, loss: PACKED, accuracy: PACKED} of every step so far (float32); lengths may be 0
        frames        by step, the first (mostly step 0) to the newest, which is the last one:
                      [{step, rate, parameters: PACKED, statistics: PACKED, moments}, …]
                      moments: [PACKED, …], null (not kept), or "zeros" (before the first step)
    PACKED   {length, planes, base64}: base64 of deflate-raw (DecompressionStream("deflate-raw")) of bytes.
             planes 1: `length` bytes as they are.
             planes 4: `length` float32, little-endian, as four planes of `length` bytes each: byte k of number n
             stands at k·length + n.
A module's source stands in `<script type="application/json" id="chainrule-modules">`, imports named `module:PATH`; the
loader gives each a blob URL, those it imports first.
"""
