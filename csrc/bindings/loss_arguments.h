// Names of what the losses' kernels are told, for the CPU's bindings and
// CUDA's. Both throw std::invalid_argument where there is none of that name.
#pragma once

#include <stdexcept>
#include <string>

#include "common/elementwise_loss.h"

namespace tw::bindings {

inline Reduction parse_reduction(const std::string& name) {
  if (name == "mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw std::invalid_argument("unknown reduction '" + name + "'");
}

inline LossKind parse_loss_kind(const std::string& name) {
  if (name == "squared_error") return LossKind::squared_error;
  if (name == "absolute_error") return LossKind::absolute_error;
  if (name == "huber") return LossKind::huber;
  if (name == "binary_cross_entropy") return LossKind::binary_cross_entropy;
  if (name == "binary_cross_entropy_with_logits")
    return LossKind::binary_cross_entropy_with_logits;
  throw std::invalid_argument("unknown loss '" + name + "'");
}

}  // namespace tw::bindings
