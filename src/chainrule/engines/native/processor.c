/* Whether this processor has the registers that the kernels are compiled for. */
#include "kernels/kernel.h"
#if WIDTH > 16
#include <cpuid.h>
#endif

/* AVX2 or AVX-512, where the operating system saves these registers. Processors with AVX2 have all of x86-64-v3, and
 * those with AVX-512VL all of x86-64-v4. This function itself uses neither. */
#if WIDTH > 16
__attribute__((target("arch=x86-64")))
#endif
int chainrule_fits_processor(void)
{
#if WIDTH > 16
    unsigned saved = WIDTH == 64 ? 0xe6 : 0x6, feature = WIDTH == 64 ? 1u << 31 : 1u << 5; /* AVX-512VL, AVX2 */
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (!(c & 1u << 27)) return false; /* xgetbv */
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    if ((a & saved) != saved) return false;
    __cpuid_count(7, 0, a, b, c, d);
    return (b & feature) != 0;
#else
    return true;
#endif
}
