#include <array>

#include "bindings/cuda/memory.h"
#include "bindings/cuda/module.h"
#include "cuda/conv2d/conv2d.h"

namespace tw::bindings::cuda {
namespace {

using tw::cuda::ConvShape;

// No extent, stride or padding this large can describe an array in memory;
// below it the index arithmetic of a convolution cannot overflow.
constexpr int64_t kLargest = int64_t{1} << 30;

// n, h, w, c, r, s, k, p, q, strides, padding above and to the left, dilations,
// groups.
using Sizes = std::array<int64_t, 16>;

ConvShape shape_of(const Sizes& z) {
  const ConvShape d{z[0], z[1], z[2],  z[3],  z[4],  z[5],  z[6],  z[7],
                    z[8], z[9], z[10], z[11], z[12], z[13], z[14], z[15]};
  for (int64_t size : z)
    expect(size >= 0 && size < kLargest, "conv2d: size out of range");
  for (int64_t size : {d.h, d.w, d.c, d.r, d.s, d.k, d.p, d.q, d.stride_h,
                       d.stride_w, d.dilation_h, d.dilation_w, d.groups})
    expect(size >= 1, "conv2d: size must be at least 1");
  expect(d.c % d.groups == 0 && d.k % d.groups == 0,
         "conv2d: channels are not divisible by groups");
  expect((d.p - 1) * d.stride_h <= d.h + 2 * d.pad_top &&
             (d.q - 1) * d.stride_w <= d.w + 2 * d.pad_left &&
             (d.r - 1) * d.dilation_h <= d.h + 2 * d.pad_top + 1 &&
             (d.s - 1) * d.dilation_w <= d.w + 2 * d.pad_left + 1,
         "conv2d: the filter reaches beyond the image and its padding");
  return d;
}

int64_t inputs(const ConvShape& d) { return product({d.n, d.h, d.w, d.c}); }
int64_t outputs(const ConvShape& d) { return product({d.n, d.p, d.q, d.k}); }
int64_t weights(const ConvShape& d) {
  return product({d.r, d.s, d.group_c(), d.k});
}

void conv2d(const Sizes& sizes, const Memory& x, const Memory& weight,
            const std::optional<Memory>& bias, const std::string& activation,
            const std::string& precision, const Memory& y,
            const py::function& allocate, uintptr_t stream) {
  const ConvShape d = shape_of(sizes);
  const tw::cuda::ConvForward f{d,
                                read(x, "x", inputs(d)),
                                read(weight, "weight", weights(d)),
                                optional(bias, "bias", d.k),
                                parse_activation(activation),
                                write(y, "out", outputs(d)),
                                parse_precision(precision)};
  const Workspace workspace(allocate, tw::cuda::conv2d_workspace(f));
  call([&] { tw::cuda::conv2d(f, workspace.data(), stream_of(stream)); });
}

// Window, strides and outputs of a pooling.
void expect_pooling(const ConvShape& d, const std::array<int64_t, 6>& pool) {
  for (int64_t size : pool)
    expect(size >= 1 && size < kLargest,
           "conv2d_max_pool2d: size out of range");
  const auto [window_h, window_w, stride_h, stride_w, p, q] = pool;
  expect((p - 1) * stride_h + window_h <= d.p &&
             (q - 1) * stride_w + window_w <= d.q,
         "conv2d_max_pool2d: a window reaches beyond the output");
}

// Whether it was done: else the caller takes one kernel after the other.
bool conv2d_max_pool2d(const Sizes& sizes, const std::array<int64_t, 6>& pool,
                       const Memory& x, const Memory& weight,
                       const std::optional<Memory>& bias,
                       const std::string& activation,
                       const std::string& precision, const Memory& y,
                       const Memory& indices, uintptr_t stream) {
  const ConvShape d = shape_of(sizes);
  expect_pooling(d, pool);
  const auto [window_h, window_w, stride_h, stride_w, p, q] = pool;
  const Activation kind = parse_activation(activation);
  expect(kind == Activation::none || kind == Activation::relu,
         "conv2d_max_pool2d: activation must be none or relu");
  const int64_t count = product({d.n, p, q, d.k});
  const tw::cuda::ConvMaxPool m{
      {d, read(x, "x", inputs(d)), read(weight, "weight", weights(d)),
       optional(bias, "bias", d.k), kind, nullptr, parse_precision(precision)},
      window_h,
      window_w,
      stride_h,
      stride_w,
      p,
      q,
      write(y, "y", count),
      access<uint8_t>(indices, "indices", count)};
  const bool fits = tw::cuda::conv2d_max_pool2d_fits(m);
  call([&] {
    if (fits) tw::cuda::conv2d_max_pool2d(m, stream_of(stream));
  });
  return fits;
}

// Whether it was done, as above.
bool conv2d_max_pool2d_backward_weight(
    const Sizes& sizes, const std::array<int64_t, 6>& pool, const Memory& x,
    const Memory& dy, const Memory& indices, const std::string& precision,
    const Memory& dweight, const Memory& dbias, const py::function& allocate,
    uintptr_t stream) {
  const ConvShape d = shape_of(sizes);
  expect_pooling(d, pool);
  const auto [window_h, window_w, stride_h, stride_w, p, q] = pool;
  const int64_t count = product({d.n, p, q, d.k});
  const tw::cuda::ConvMaxPoolBackwardWeight b{
      d,
      window_h,
      window_w,
      stride_h,
      stride_w,
      p,
      q,
      read(x, "x", inputs(d)),
      read(dy, "dy", count),
      access<const uint8_t>(indices, "indices", count),
      write(dweight, "dweight", weights(d)),
      write(dbias, "dbias", d.k),
      parse_precision(precision)};
  const bool fits = tw::cuda::conv2d_max_pool2d_backward_weight_fits(b);
  const Workspace workspace(
      allocate,
      fits ? tw::cuda::conv2d_max_pool2d_backward_weight_workspace(b) : 0);
  call([&] {
    if (fits)
      tw::cuda::conv2d_max_pool2d_backward_weight(b, workspace.data(),
                                                  stream_of(stream));
  });
  return fits;
}

void conv2d_backward_input(const Sizes& sizes, const Memory& dy,
                           const Memory& weight, const std::string& precision,
                           const Memory& dx, const py::function& allocate,
                           uintptr_t stream) {
  const ConvShape d = shape_of(sizes);
  const tw::cuda::ConvBackwardInput b{
      d, read(dy, "dy", outputs(d)), read(weight, "weight", weights(d)),
      write(dx, "out", inputs(d)), parse_precision(precision)};
  const Workspace workspace(allocate,
                            tw::cuda::conv2d_backward_input_workspace(b));
  call([&] {
    tw::cuda::conv2d_backward_input(b, workspace.data(), stream_of(stream));
  });
}

void conv2d_backward_weight(const Sizes& sizes, const Memory& x,
                            const Memory& dy, const std::string& precision,
                            const Memory& dweight, const py::function& allocate,
                            uintptr_t stream) {
  const ConvShape d = shape_of(sizes);
  const tw::cuda::ConvBackwardWeight b{
      d, read(x, "x", inputs(d)), read(dy, "dy", outputs(d)),
      write(dweight, "dweight", weights(d)), parse_precision(precision)};
  const Workspace workspace(allocate,
                            tw::cuda::conv2d_backward_weight_workspace(b));
  call([&] {
    tw::cuda::conv2d_backward_weight(b, workspace.data(), stream_of(stream));
  });
}

}  // namespace

void bind_conv2d(py::module_& m) {
  m.def("conv2d", &conv2d);
  m.def("conv2d_max_pool2d", &conv2d_max_pool2d);
  m.def("conv2d_max_pool2d_backward_weight",
        &conv2d_max_pool2d_backward_weight);
  m.def("conv2d_backward_input", &conv2d_backward_input);
  m.def("conv2d_backward_weight", &conv2d_backward_weight);
}

}  // namespace tw::bindings::cuda
