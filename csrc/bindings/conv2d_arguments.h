// The arguments that the bindings of conv2d and conv2d_max_pool2d share.
#pragma once

#include "bindings/arrays.h"
#include "cpu/conv2d.h"

namespace tw::bindings {

// No extent, stride or padding this large can describe an array in memory;
// below it the index arithmetic of a convolution cannot overflow.
constexpr int64_t kLargest = int64_t{1} << 31;

// Sizes and steps in their ranges, and products of extents that fit.
inline void expect_sound(const cpu::ConvShape& d) {
  for (int64_t size :
       {d.n, d.h, d.w, d.c, d.r, d.s, d.k, d.p, d.q, d.pad_top, d.pad_left,
        d.stride_h, d.stride_w, d.dilation_h, d.dilation_w, d.groups})
    expect(size >= 0 && size < kLargest, "conv2d: size out of range");
  for (int64_t size : {d.h, d.w, d.c, d.r, d.s, d.k, d.p, d.q, d.stride_h,
                       d.stride_w, d.dilation_h, d.dilation_w, d.groups})
    expect(size >= 1, "conv2d: size must be at least 1");
  expect(d.c % d.groups == 0 && d.k % d.groups == 0,
         "conv2d: channels are not divisible by groups");
  // The last filter begins inside the image or its padding, and padding is no
  // more than a filter at the far end: padded extents are then bounded too.
  expect((d.p - 1) * d.stride_h <= d.h + 2 * d.pad_top &&
             (d.q - 1) * d.stride_w <= d.w + 2 * d.pad_left &&
             (d.r - 1) * d.dilation_h <= d.h + 2 * d.pad_top + 1 &&
             (d.s - 1) * d.dilation_w <= d.w + 2 * d.pad_left + 1,
         "conv2d: the filter reaches beyond the image and its padding");
  product({d.n, d.h, d.w, d.c});
  product({d.n, d.p, d.q, d.k});
  product({d.r, d.s, d.c, d.k});
}

inline void set_steps(cpu::ConvShape& d, int64_t stride_h, int64_t stride_w,
                      int64_t pad_top, int64_t pad_left, int64_t dilation_h,
                      int64_t dilation_w, int64_t groups) {
  d.stride_h = stride_h, d.stride_w = stride_w;
  d.pad_top = pad_top, d.pad_left = pad_left;
  d.dilation_h = dilation_h, d.dilation_w = dilation_w;
  d.groups = groups;
}

inline void set_input(cpu::ConvShape& d, const py::array& x) {
  d.n = x.shape(0), d.h = x.shape(1), d.w = x.shape(2), d.c = x.shape(3);
}

inline void set_output(cpu::ConvShape& d, const py::array& dy) {
  d.p = dy.shape(1), d.q = dy.shape(2), d.k = dy.shape(3);
}

inline void set_weight(cpu::ConvShape& d, const py::array& weight) {
  d.r = weight.shape(0), d.s = weight.shape(1), d.k = weight.shape(3);
}

inline cpu::ConvForward forward(const py::array& x, const py::array& weight,
                                const py::object& bias, int64_t stride_h,
                                int64_t stride_w, int64_t pad_top,
                                int64_t pad_left, int64_t dilation_h,
                                int64_t dilation_w, int64_t groups, int64_t p,
                                int64_t q, const std::string& activation) {
  cpu::ConvForward f{};
  f.x = read(x, "x", 4);
  f.weight = read(weight, "weight", 4);
  set_input(f.shape, x);
  set_weight(f.shape, weight);
  set_steps(f.shape, stride_h, stride_w, pad_top, pad_left, dilation_h,
            dilation_w, groups);
  f.shape.p = p, f.shape.q = q;
  expect_sound(f.shape);
  expect_shape(weight, "weight",
               {f.shape.r, f.shape.s, f.shape.group_c(), f.shape.k});
  f.bias = optional(bias, "bias", {f.shape.k});
  f.activation = parse_activation(activation);
  return f;
}

}  // namespace tw::bindings
