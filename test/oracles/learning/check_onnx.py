# What PyPI's onnx says of an exported network, full check with shape inference: check_onnx.py FILE. Exit 3 without onnx.
import sys

try:
    import onnx
except ImportError:
    sys.exit(3)
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
output = inferred.graph.output[0].type.tensor_type.shape
names = {opset.domain for opset in model.opset_import}
assert names == {""}, f"operators that are not ONNX's: {names}"
print([d.dim_param or d.dim_value for d in output.dim])
