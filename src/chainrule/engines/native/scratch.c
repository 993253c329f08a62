/* Scratch memory of each thread, and the call of a single kernel. */
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "runtime.h"

/* Scratch memory is a stack of blocks per thread. A kernel takes from the top, and the caller sets it back. Blocks that
 * were added to the first one are joined to one of their total size when the stack is empty again. */
enum { FIRST_BLOCK = 1 << 16, LARGEST_KEPT = 1 << 22 };

typedef struct Block {
    struct Block *below;
    size_t size, used; /* bytes, without this header */
} Block;

typedef struct {
    Block *top;
    jmp_buf no_memory; /* where a kernel ends if there is none */
} Stack;

static _Thread_local Stack *own_stack;
static pthread_key_t stack_key;
static pthread_once_t key_made = PTHREAD_ONCE_INIT;

static void free_blocks(Stack *stack)
{
    while (stack->top) {
        Block *block = stack->top;
        stack->top = block->below;
        free(block);
    }
}

static void free_stack(void *pointer)
{
    Stack *stack = pointer;
    free_blocks(stack);
    free(stack);
}

static void make_key(void) { pthread_key_create(&stack_key, free_stack); }

static Stack *stack_of_thread(void)
{
    if (!own_stack) {
        pthread_once(&key_made, make_key);
        own_stack = calloc(1, sizeof(Stack));
        if (own_stack) pthread_setspecific(stack_key, own_stack);
    }
    return own_stack;
}

static size_t header(void) { return (sizeof(Block) + LINE - 1) / LINE * LINE; }

static Block *add_block(Stack *stack, size_t size)
{
    Block *block = size > SIZE_MAX - 2 * LINE ? NULL : aligned_alloc(LINE, header() + size);
    if (block) {
        *block = (Block){stack->top, size, 0};
        stack->top = block;
    }
    return block;
}

static void *(*watching)(size_t);

/* Let a function allocate scratch memory instead, which a test then watches. */
void chainrule_watch_scratch(void *(*allocate)(size_t)) { watching = allocate; }

void *chainrule_scratch(size_t bytes)
{
    if (watching) return watching(bytes);
    Stack *stack = own_stack;
    size_t padded = bytes > SIZE_MAX - LINE ? SIZE_MAX : (bytes + LINE - 1) / LINE * LINE;
    Block *block = stack->top;
    if (!block || padded > block->size - block->used) {
        size_t usual = block ? 2 * block->size : FIRST_BLOCK;
        if (usual > LARGEST_KEPT) usual = LARGEST_KEPT;
        block = add_block(stack, padded > usual ? padded : usual);
        if (!block) _longjmp(stack->no_memory, 1);
    }
    void *found = (char *)block + header() + block->used;
    block->used += padded;
    return found;
}

static void empty(Stack *stack)
{
    size_t total = 0;
    if (stack->top && !stack->top->below && stack->top->size <= LARGEST_KEPT) {
        stack->top->used = 0;
        return;
    }
    for (Block *block = stack->top; block; block = block->below) total += block->size;
    free_blocks(stack);
    if (total <= LARGEST_KEPT && total) add_block(stack, total);
}

Status chainrule_call(Kernel kernel, const Array *arrays, const Number *numbers)
{
    Stack *stack = stack_of_thread();
    if (!stack) return NO_MEMORY;
    Status status = _setjmp(stack->no_memory) ? NO_MEMORY : kernel(arrays, numbers);
    if (stack->top && (stack->top->used || stack->top->below)) empty(stack);
    return status;
}

unsigned flush_denormals(void)
{
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* denormal results become 0, and denormal operands are 0 */
    return before;
#else
    return 0;
#endif
}

void restore_denormals(unsigned before)
{
#if defined(__x86_64__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

/* Run one kernel for Python. */
Status chainrule_call_alone(Kernel kernel, const Array *arrays, const Number *numbers)
{
    unsigned before = flush_denormals();
    Status status = chainrule_call(kernel, arrays, numbers);
    restore_denormals(before);
    return status;
}
