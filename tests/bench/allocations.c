/* Counts what the calling thread takes from Python's allocators: blocks, never bytes. Loaded into a running Python.
 *
 * The declarations are those of the C API since 3.5, so that no header of Python is needed to build it.
 */
#include <stddef.h>

typedef struct {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *block, size_t size);
    void (*free)(void *ctx, void *block);
} Allocator;

extern void PyMem_GetAllocator(int domain, Allocator *into);
extern void PyMem_SetAllocator(int domain, Allocator *from);

enum { RAW, MEM, OBJ, DOMAINS };

static Allocator before[DOMAINS];
static __thread unsigned long long taken;

static void *take(void *ctx, size_t size) {
    Allocator *of = ctx;
    taken++;
    return of->malloc(of->ctx, size);
}

static void *take_empty(void *ctx, size_t count, size_t size) {
    Allocator *of = ctx;
    taken++;
    return of->calloc(of->ctx, count, size);
}

static void *resize(void *ctx, void *block, size_t size) {
    Allocator *of = ctx;
    taken++;
    return of->realloc(of->ctx, block, size);
}

static void give(void *ctx, void *block) {
    Allocator *of = ctx;
    of->free(of->ctx, block);
}

/* From now on; with the interpreter's lock held. A block that was taken before is given back as it would have been. */
void count_from_now(void) {
    for (int domain = MEM; domain < DOMAINS; domain++) {
        PyMem_GetAllocator(domain, &before[domain]);
        Allocator counting = {&before[domain], take, take_empty, resize, give};
        PyMem_SetAllocator(domain, &counting);
    }
}

void count_no_longer(void) {
    for (int domain = MEM; domain < DOMAINS; domain++)
        PyMem_SetAllocator(domain, &before[domain]);
}

unsigned long long taken_so_far(void) { return taken; }
