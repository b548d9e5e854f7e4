// Knowing that memory was too little when it is said, in the words of what runs networks.

// ONNX Runtime (CPU, then GPU), JavaScript, C++, CUDA, WebGPU, TensorFlow.
const SAYINGS =
  /Failed to allocate memory|Array buffer allocation failed|Array buffer allocation|bad_alloc|std::bad_array|out of memory|OUT_OF_MEMORY|ResourceExhausted|OOM when allocating/i;

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && SAYINGS.test(error.message);
}
