/* Run a network once on an emulated Cortex-M4 and print its instructions, stack, arena and outputs by semihosting.
   qemu with -icount shift=0 counts 1 ns per instruction, which SysTick measures in units of a loop of known length. */
#include "network.h"
#include "inputs.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define TICKS REGISTER(0xE000E018)
#define PAINT 0xA5A5A5A5u

extern uint32_t stack_bottom[], stack_top[];
#ifdef NETWORK_PLAIN_ARENA_BYTES
static float arena[NETWORK_PLAIN_ARENA_BYTES / sizeof(float)];
#else
static float arena[NETWORK_ARENA_BYTES / sizeof(float)];
#endif
static NUMBER outputs[NETWORK_OUTPUTS];

static void host(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t number, char end)
{
    char text[12], *at = text + 11;
    *at = 0;
    *--at = end;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    host(4, at);
}

static uint32_t ticks_of_million(void)
{
    uint32_t start = TICKS, count = 500000;
    __asm__ volatile("1: subs %0, #1\n bne 1b" : "+r"(count) : : "cc");
    return (start - TICKS) & 0xFFFFFF;
}

static void start(void)
{
    uint32_t *paint = stack_bottom, before, ticks, million;
    REGISTER(0xE000ED88) |= 0xFu << 20; /* enable the floating-point unit */
    __asm__ volatile("dsb\n isb");
    while (paint < (uint32_t *)__builtin_frame_address(0) - 16)
        *paint++ = PAINT;
    REGISTER(0xE000E014) = 0xFFFFFF;
    REGISTER(0xE000E018) = 0;
    REGISTER(0xE000E010) = 5;
    million = ticks_of_million();
    before = TICKS;
    network_run(arena, image, outputs);
    ticks = (before - TICKS) & 0xFFFFFF;
    for (paint = stack_bottom; *paint == PAINT;)
        paint++;
    print((uint32_t)(ticks * UINT64_C(1000000) / million), ' ');
    print((uint32_t)((stack_top - paint) * 4), ' ');
    print(sizeof arena, '\n');
    for (uint32_t k = 0; k < NETWORK_OUTPUTS; k++)
        if (sizeof(NUMBER) == 4)
            print(((const uint32_t *)(const void *)outputs)[k], '\n');
        else
            print((uint8_t)outputs[k], '\n');
    host(0x18, (const void *)0x20026);
    for (;;)
        ;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack_top, (const void *)start};
