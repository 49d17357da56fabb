"""The kernels for Hopper GPUs as machine code, made on a machine without a GPU: what each takes.

    python -m benchmarks.hopper_machine_code [PATTERN]

It prints the bytes of registers that ptxas could not keep (spills) and the shared memory of every
kernel of `jcl.losses.engine.hopper`, or of those whose names the regular expression is found in. It
fails where a kernel asks for more memory than there is.

It needs a C compiler and JAX 0.11's CUDA plugin with ptxas (`pip install jax-cuda13-plugin
jax-cuda13-pjrt nvidia-cuda-nvcc`, as new as JAX), and no driver: a library that answers for an H100
takes its place. Nothing runs, so it says nothing about speed.
"""

import ctypes
import functools
import itertools
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

SHARED_MEMORY = 227 * 1024
ROWS = 32768


def main():
    if "MOSAIC_GPU_DUMP_TO" not in os.environ:
        return _start_again()
    print("| kernel | spilled, bytes | shared memory, KiB |\n|---|--:|--:|", flush=True)
    failed, pattern = False, sys.argv[1] if len(sys.argv) > 1 else ""
    for name, trace in _kernels():
        if not re.search(pattern, name):
            continue
        for spilled, memory in _compile(trace().lower(lowering_platforms=("cuda",))):
            print(f"| {name} | {spilled} | {memory / 1024:.0f} |", flush=True)
            failed |= memory > SHARED_MEMORY
    return int(failed)


def _start_again():
    """In a process that finds our libcuda and dumps what the compiler says."""
    with tempfile.TemporaryDirectory() as folder:
        stub = Path(__file__).with_name("libcuda_stub.c")
        library = Path(folder, "libcuda.so.1")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, stub], check=True)
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": folder,
            "JAX_PLATFORMS": "cpu",
            "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
            "MOSAIC_GPU_DUMP_TO": folder,
            "MOSAIC_GPU_DUMP_PTXAS": "1",
            "MOSAIC_GPU_DUMP_RESOURCES": "1",
        }
        command = [sys.executable, "-m", "benchmarks.hopper_machine_code", *sys.argv[1:]]
        # The compiler complains on stderr that there is no disassembler.
        return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL).returncode


def _kernels():
    """The name of every kernel that a loss may take, and a function that traces it."""
    import jax
    import jax.numpy as jnp

    from jcl.losses.engine import hopper

    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    widths = (64, 128, 256, 512, 1024)
    for halves, d, any_range, offset in itertools.product((1, 2), widths, *[(False, True)] * 2):
        width = halves * d
        if width > hopper.WIDEST:
            continue
        kind = hopper.Kind(halves, 2, any_range)
        side = hopper.Side(array(ROWS, width, dtype=jnp.bfloat16), array(ROWS))
        both = side, hopper.Known(array(ROWS), array(ROWS))
        at = array(dtype=jnp.int32) if offset else None
        for function, sides in ((hopper.log_sums, side), (hopper.weighted_sums, both)):
            name = f"{function.__name__}, d = {d}, " + ("bfloat16", "float32")[halves - 1]
            name += ", any range" * any_range + ", at an offset" * offset
            jitted = jax.jit(function, static_argnums=3)
            yield name, functools.partial(jitted.trace, sides, sides, at, kind)


def _compile(lowered):
    """Bytes spilled and bytes of shared memory of every kernel in a program."""
    import jax_plugins.xla_cuda13
    from jax._src.lib.mlir import ir

    compiler = ctypes.CDLL(str(jax_plugins.xla_cuda13._get_library_path())).MosaicGpuCompile
    compiler.argtypes, compiler.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    modules = []

    def visit(operation):
        if operation.name == "stablehlo.custom_call":
            attributes = operation.attributes
            if "mosaic_gpu" in str(attributes["call_target_name"]):
                config = ir.DictAttr(attributes["mhlo.backend_config"])
                modules.append(ir.StringAttr(config["module"]).value_bytes)
        return ir.WalkResult.ADVANCE

    lowered.compiler_ir("stablehlo").operation.walk(visit)
    folder = Path(os.environ["MOSAIC_GPU_DUMP_TO"])
    for module in modules:
        compiler(module, len(module))
        (said,) = (path.read_text() for path in folder.glob("*.ptxas"))
        (asked,) = (path.read_text() for path in folder.glob("*.resources.txt"))
        for pattern in ("*.ptxas", "*.resources.txt"):
            for path in folder.glob(pattern):
                path.unlink()
        yield (
            max(map(int, re.findall(r"(\d+) bytes spill", said))),
            max(map(int, re.findall(r"smem_scratch_bytes=(\d+)", asked))),
        )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc(file=sys.stdout)  # nothing else of stderr is worth reading
        sys.exit(1)
