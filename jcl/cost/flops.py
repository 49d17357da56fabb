"""Floating point operations of a function, counted from its jaxpr without running it.

XLA's own analysis of a compiled program counts the body of a loop once, whatever its trip count,
so a loss in blocks or a stack of scanned layers would seem nearly free.
"""

import math
from collections.abc import Callable

import jax
from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params

from jcl.errors import UserError

# The number of runs of their bodies depends on data, or on a grid.
_UNKNOWN_TRIPS = ("while", "pallas_call")


def count_flops(function: Callable, *args) -> float:
    """Counts the operations of the matrix products and convolutions in `function(*args)`.

    A multiplication and the addition that follows it are two operations. Elementwise work, sums,
    sorting and communication are not counted, nor are products inside custom calls, such as
    cuDNN's attention.

    Everything counts as often as it runs: the body of a scan as often as its length, work that
    rematerialisation repeats once more, the body of a shard_map on every device, of the branches
    of a cond the most expensive one, of those of `jax.lax.platform_dependent` the default, the
    plain form of what platforms compute in their own ways. What the compiler may drop, because
    nothing uses it, counts. Zeros count where they pad an image, not where a transposed convolution
    puts them between pixels, so that a gradient costs what the convolution does.

    Args:
        function: pure; values that are not arrays must be closed over.
        *args: pytrees of arrays or of `jax.ShapeDtypeStruct`; only shapes and dtypes matter.

    Returns:
        Operations of one call, over all devices together.

    Raises:
        UserError: matrix products inside a loop that runs an unknown number of times, or a kernel.
    """
    return float(_count(jax.make_jaxpr(function)(*args).jaxpr))


def _count(jaxpr: Jaxpr) -> int:
    return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation: JaxprEqn) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        return _count_matrix_product(equation)
    if name == "conv_general_dilated":
        return _count_convolution(equation)
    if params.get("branches_platforms"):
        default = params["branches_platforms"].index(None)
        return _count(params["branches"][default].jaxpr)
    bodies = [_count(jaxpr) for jaxpr in jaxprs_in_params(params)]
    if name == "scan":
        return params["length"] * sum(bodies)
    if name == "cond":
        return max(bodies)
    if name == "shard_map":  # the body has the shapes of one device
        mesh = params["mesh"]
        axes = params.get("newly_manual_axes", mesh.axis_names)
        return math.prod(mesh.shape[axis] for axis in axes) * sum(bodies)
    if name in _UNKNOWN_TRIPS and any(bodies):
        raise UserError(
            f"the operations of a {name} with matrix products in its body cannot be counted, "
            "because it is not known how often the body runs; those of a scan or a fori_loop with "
            "constant bounds can"
        )
    return sum(bodies)  # jit, checkpoint, custom_jvp, custom_vjp and others run what they hold once


def _count_matrix_product(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    terms = math.prod(shape[axis] for axis in contracted)
    return 2 * math.prod(equation.outvars[0].aval.shape) * terms


def _count_convolution(equation: JaxprEqn) -> int:
    kernel = equation.invars[1].aval.shape
    output_channels = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    # The kernel's other axes: space, and the input channels of one group.
    products = math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // output_channels
    return 2 * products // math.prod(equation.params["lhs_dilation"])
