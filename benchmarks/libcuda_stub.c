/* Answers what an H100 would, as far as the compiler of Mosaic GPU kernels asks. See
   hopper_machine_code.py. */
#define ANSWER(name, arguments, result) \
  int name arguments { result; return 0; }

ANSWER(cuInit, (unsigned flags), (void)flags)
ANSWER(cuDriverGetVersion, (int *version), *version = 13000)
ANSWER(cuDeviceGet, (int *device, int ordinal), (void)ordinal; *device = 0)
ANSWER(cuDeviceGetCount, (int *count), *count = 1)
ANSWER(cuCtxGetCurrent, (void **context), *context = (void *)1)
ANSWER(cuCtxGetDevice, (int *device), *device = 0)
ANSWER(cuDevicePrimaryCtxRetain, (void **context, int device), (void)device; *context = (void *)1)
ANSWER(cuCtxSetCurrent, (void *context), (void)context)
ANSWER(cuGetErrorName, (int error, const char **name), (void)error; *name = "none")
ANSWER(cuGetErrorString, (int error, const char **text), (void)error; *text = "none")

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
    case 75: *value = 9; break;       /* compute capability, major */
    case 76: *value = 0; break;       /* minor */
    case 16: *value = 132; break;     /* multiprocessors */
    case 97: *value = 232448; break;  /* shared memory that a block may have */
    default: *value = 1;
  }
  return 0;
}
