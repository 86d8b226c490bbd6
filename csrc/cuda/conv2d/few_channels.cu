// The forward pass of few channels: see few_channels.cuh.
#include "cuda/conv2d/few_channels.cuh"
#include "cuda/launch.hpp"

namespace tw::cuda {
namespace {

// A row of kTileChannels numbers of a matrix of K, zeros beyond.
template <int kLanes>
__device__ __forceinline__ void fill_rows(const float* from, int rows, int k,
                                          int first, float* to) {
  constexpr int kChannels = kTileChannels<kLanes>;
  for (int i = threadIdx.x; i < rows * kChannels; i += kFewThreads) {
    const int channel = first + i % kChannels;
    to[i] = channel < k ? from[int64_t{i / kChannels} * k + channel] : 0;
  }
}

struct ForwardArguments : FewChannels {
  const float* weight;
};

template <int kLanes>
struct ForwardShared {
  float weights[kMostWeights * kTileChannels<kLanes>];
  float patch[kMostPatch<kLanes>];
};

template <int kChannels, int kLanes>
__global__ __launch_bounds__(kFewThreads) void few_channels_kernel(
    ForwardArguments p) {
  auto& shared = shared_memory<ForwardShared<kLanes>>();
  constexpr int kRow = kTileChannels<kLanes>;
  const ConvGeometry& d = p.d;
  const int first_k = static_cast<int>(blockIdx.y) * kRow;
  int image, first_p, first_q;
  p.patches.place(static_cast<int>(blockIdx.x), image, first_p, first_q);
  fill_rows<kLanes>(p.weight, p.weights, d.k, first_k, shared.weights);
  p.patches.fill(d, p.x, image, first_p, first_q, shared.patch);
  __syncthreads();

  // Of 8 pixels a thread's are far apart: neighbours read neighbours.
  constexpr int kApart = kFewThreads / kLanes;
  const int lane = threadIdx.x % kLanes, pixel = threadIdx.x / kLanes;
  const int pitch = p.patches.patch_columns * kChannels;
  const float* from[kEight];
#pragma unroll
  for (int i = 0; i < kEight; i++) {
    const int at = pixel + i * kApart;
    from[i] = shared.patch + at / kTileColumns * d.stride_h * pitch +
              at % kTileColumns * d.stride_w * kChannels;
  }
  float sum[kEight][8] = {};
  const float* weights = shared.weights + 4 * lane;
#pragma unroll 1
  for (int r = 0; r < d.r; r++) {
    const int row = r * d.dilation_h * pitch;
#pragma unroll 1
    for (int s = 0; s < d.s; s++) {
      const int tap = row + s * d.dilation_w * kChannels;
#pragma unroll
      for (int c = 0; c < kChannels; c++) {
        float left[kEight];
#pragma unroll
        for (int i = 0; i < kEight; i++) left[i] = from[i][tap + c];
        multiply(left, load4(weights + c * kRow),
                 load4(weights + c * kRow + kRow / 2), sum);
      }
      weights += kChannels * kRow;
    }
  }
#pragma unroll
  for (int i = 0; i < kEight; i++) {
    const int at = pixel + i * kApart;
    const int row = first_p + at / kTileColumns;
    const int column = first_q + at % kTileColumns;
    if (row >= d.p || column >= d.q) continue;
    const int64_t output = (int64_t{image} * d.p + row) * d.q + column;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float* four = &sum[i][4 * half];
      p.store(output, first_k + half * kRow / 2 + 4 * lane,
              make_float4(four[0], four[1], four[2], four[3]));
    }
  }
}

template <int kLanes>
void run_forward(const ConvForward& f, const MatrixStore& store,
                 Stream stream) {
  const ConvShape& d = f.shape;
  const ForwardArguments p{arguments_of(d, kTileRows<kLanes>, f.x, store),
                           f.weight};
  const auto kernel = d.c == 1   ? few_channels_kernel<1, kLanes>
                      : d.c == 2 ? few_channels_kernel<2, kLanes>
                      : d.c == 3 ? few_channels_kernel<3, kLanes>
                                 : few_channels_kernel<4, kLanes>;
  launch("few_channels", kernel, grid_of<kLanes>(d, p.rectangles),
         dim3(kFewThreads), sizeof(ForwardShared<kLanes>), stream, p);
}

}  // namespace

bool few_channels(const ConvShape& d, Precision precision) {
  const int64_t weights = d.r * d.s * d.c;
  if (d.groups != 1 || d.c > 4 || weights > kMostWeights ||
      d.k > int64_t{65535} * kTileChannels<4> ||
      (precision != Precision::fp32 && weights > kManyWeights))
    return false;
  const bool narrow = d.k <= kTileChannels<4>;
  const Patches forward(d, narrow ? kTileRows<4> : kTileRows<8>);
  return forward.size(d.c) <= (narrow ? kMostPatch<4> : kMostPatch<8>) &&
         Patches(d, kGradientRows).size(d.c) <= kMostGradientPatch;
}

void few_channels_conv2d(const ConvForward& f, Stream stream) {
  const ConvShape& d = f.shape;
  const bool whole =
      quads_aligned(f.y, d.k, d.k) && (!f.bias || quads_aligned(f.bias, 0, 0));
  const MatrixStore store{f.y,    d.n * d.p * d.q, d.k,   d.k,
                          f.bias, f.activation,    false, whole};
  if (d.k <= kTileChannels<4>)
    run_forward<4>(f, store, stream);
  else
    run_forward<8>(f, store, stream);
}

}  // namespace tw::cuda
