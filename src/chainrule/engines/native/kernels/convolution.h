/* The arguments that all cross-correlations share; see ConvolutionWindow, Epilogue and Chunk in Python. */
#ifndef CHAINRULE_CONVOLUTION_H
#define CHAINRULE_CONVOLUTION_H

#include "kernel.h"

typedef struct {
    int64_t stride[2], padding[2][2], dilation[2], groups;
    bool flip; /* whether the kernel is turned by 180° */
} Window;

/* The steps that a kernel applies to its sums before it writes them: y = clamp(sums · factor + addend), perhaps the
 * maximum of each 2×2 block of these. */
typedef struct {
    const real *addends, *factors; /* one per filter; NULL for zeros and for ones */
    bool untied;                   /* one addend per filter and output position instead */
    real least, most;              /* of the activation; −∞ and ∞ without one */
    bool clamps, pooled;
} Epilogue;

/* The rows of y and the filters to compute: from first to last − 1. */
typedef struct {
    int64_t rows[2], filters[2];
} Chunk;

enum { EPILOGUE = 10, CHUNK = 14, PACKED = 18 }; /* places of further numbers, after the window's */

INLINE Window window_of(const Number *numbers)
{
    return (Window){
        {numbers[0].i, numbers[1].i},
        {{numbers[2].i, numbers[3].i}, {numbers[4].i, numbers[5].i}},
        {numbers[6].i, numbers[7].i},
        numbers[8].i,
        numbers[9].i != 0,
    };
}

/* b (filters), or (2, filters) with factors, or one element per filter and position. */
INLINE Epilogue epilogue_of(const Number *numbers, Array b, int64_t filters)
{
    bool scaled = numbers[EPILOGUE].i, rectifies = numbers[EPILOGUE + 1].i;
    double most = numbers[EPILOGUE + 2].f;
    const real *addends = b.at;
    return (Epilogue){
        .addends = addends,
        .factors = scaled && addends ? addends + filters : NULL,
        .untied = addends && !scaled && size_from(b, 0) > filters,
        .least = rectifies || most > 0 ? 0 : -(real)INFINITY,
        .most = most > 0 ? (real)most : (real)INFINITY,
        .clamps = rectifies || most > 0,
        .pooled = numbers[EPILOGUE + 3].i,
    };
}

INLINE real addend_of(Epilogue epilogue, int64_t filter) { return epilogue.addends ? epilogue.addends[filter] : 0; }
INLINE real factor_of(Epilogue epilogue, int64_t filter) { return epilogue.factors ? epilogue.factors[filter] : 1; }

/* clamp(sums · factor + addend) */
INLINE vec finished(Epilogue epilogue, vec sums, vec factor, vec addend)
{
    vec v = sums * factor + addend;
    return epilogue.clamps ? clamped(v, epilogue.least, epilogue.most) : v;
}

INLINE Chunk chunk_of(const Number *numbers, int64_t rows, int64_t filters)
{
    const Number *n = numbers + CHUNK;
    return (Chunk){{n[0].i, n[1].i < 0 ? rows : n[1].i}, {n[2].i, n[3].i < 0 ? filters : n[3].i}};
}

#endif
