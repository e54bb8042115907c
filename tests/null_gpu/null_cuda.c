/* What torch and Triton need of CUDA's runtime and driver to take this machine for one with H100 GPUs. Device memory is
   host memory, and kernels are never run: tensors of the GPU hold nothing. Every function that is not here succeeds. */
#include <stdlib.h>
#include <string.h>

#ifdef RUNTIME
#include <driver_types.h>

void *dlopen(const char *, int);
void *dlsym(void *, const char *);

static __thread int current;
static int capturing, captured_on = -1;
static void *capture_stream;
static int gpus(void) { return atoi(getenv("NULL_GPUS")); }
static void *object(size_t bytes) { return aligned_alloc(4096, (bytes / 4096 + 1) * 4096); }

int cudaGetDevice(int *device) { *device = current; return 0; }
int cudaSetDevice(int device) { if (device < 0 || device >= gpus()) return 101; current = device; return 0; }
int cudaGetDeviceCount(int *count) { *count = gpus(); return 0; }
int cudaDriverGetVersion(int *version) { *version = 12080; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 12080; return 0; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return 0; }
int cudaMemGetInfo(size_t *unused, size_t *total) { *unused = *total = 80ULL << 30; return 0; }
int cudaDeviceCanAccessPeer(int *can, int device, int peer) { *can = 1; return 0; }

int cudaGetDeviceProperties_v2(struct cudaDeviceProp *found, int device) {
    memset(found, 0, sizeof *found);
    strcpy(found->name, "NVIDIA H100 80GB HBM3");
    found->major = 9;
    found->totalGlobalMem = 80ULL << 30;
    found->multiProcessorCount = 132;
    found->warpSize = 32;
    found->maxThreadsPerBlock = 1024;
    found->maxThreadsPerMultiProcessor = 2048;
    found->regsPerBlock = found->regsPerMultiprocessor = 65536;
    found->sharedMemPerBlock = 49152;
    found->sharedMemPerBlockOptin = 232448;
    found->sharedMemPerMultiprocessor = 233472;
    found->l2CacheSize = 50 << 20;
    found->maxGridSize[0] = 2147483647;
    found->maxGridSize[1] = found->maxGridSize[2] = 65535;
    found->maxThreadsDim[0] = found->maxThreadsDim[1] = 1024;
    found->maxThreadsDim[2] = 64;
    return 0;
}

int cudaMalloc(void **at, size_t bytes) { *at = object(bytes); return *at ? 0 : 2; }
int cudaHostAlloc(void **at, size_t bytes, unsigned flags) { *at = object(bytes); return *at ? 0 : 2; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) { memcpy(to, from, bytes); return 0; }
int cudaMemsetAsync(void *to, int value, size_t bytes, void *stream) { memset(to, value, bytes); return 0; }
int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = object(8); return 0; }
int cudaEventCreateWithFlags(void **event, unsigned flags) { *event = object(8); return 0; }
int cudaEventElapsedTime(float *ms, void *from, void *to) { *ms = 1; return 0; }
int cudaEventElapsedTime_v2(float *ms, void *from, void *to) { *ms = 1; return 0; }
int cudaPointerGetAttributes(void *attributes, const void *pointer) { return 1; }
int cudaDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *active = 1; return 0; }
int cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *kernel) {
    memset(found, 0, sizeof *found);
    found->maxThreadsPerBlock = 1024;
    found->binaryVersion = found->ptxVersion = 90;
    return 0;
}

int cudaStreamBeginCapture(void *stream, int mode) { capturing = 1; capture_stream = stream; captured_on = current; return 0; }
int cudaStreamEndCapture(void *stream, void **graph) { capturing = 0; *graph = object(8); return 0; }
int cudaStreamIsCapturing(void *stream, int *status) { *status = capturing && stream == capture_stream; return 0; }
int cudaStreamGetCaptureInfo_v2(void *stream, int *status, unsigned long long *id, void *graph, void *a, void *b) {
    *status = capturing && stream == capture_stream;
    if (id) *id = 1;
    return 0;
}
int cudaGraphGetNodes(void *graph, void *nodes, size_t *count) { *count = 1; return 0; }
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) { *executable = object(8); return 0; }
int cudaGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) { *executable = object(8); return 0; }

int cudaGetDriverEntryPoint(const char *name, void **function, unsigned long long flags, int *status) {
    *function = dlsym(dlopen("libcuda.so.1", 2), name);
    if (status) *status = *function ? 0 : 1;
    return 0;
}
int cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version, unsigned long long flags, int *status) {
    return cudaGetDriverEntryPoint(name, function, flags, status);
}
#else
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuCtxGetDevice(int *device) { *device = 0; return 0; }
int cuCtxGetCurrent(void **context) { *context = (void *)1; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *active = 1; return 0; }
int cuModuleLoadData(void **module, const void *image) { *module = (void *)1; return 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = (void *)1; return 0; }
int cuFuncGetAttribute(int *value, int attribute, void *function) { *value = attribute ? 0 : 1024; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 75: *value = 9; break;       /* compute capability, major */
    case 76: *value = 0; break;       /* and minor */
    case 97: *value = 232448; break;  /* shared memory of a block */
    case 16: *value = 132; break;     /* multiprocessors */
    case 10: *value = 32; break;      /* threads of a warp */
    case 12: case 82: *value = 65536; break; /* registers of a block, of a multiprocessor */
    default: *value = 1;
    }
    return 0;
}
#endif
