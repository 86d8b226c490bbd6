// Losses of elements on the CPU: x and targets are read once and the gradient
// is written, 12 bytes an element; binary cross-entropies are bound by their
// logarithms.
#pragma once

#include "common/elementwise_loss.h"

namespace tw::cpu {

void elementwise_loss(const ElementwiseLoss& problem);

// Of a problem that has been run: throws std::invalid_argument where x was to
// be probabilities and was not.
void expect_probabilities(const ElementwiseLoss& problem);

}  // namespace tw::cpu
