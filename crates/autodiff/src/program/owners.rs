//! Which values lie in the same memory while a program runs: it is recycled when the last of them is dead.

use candle_core::Tensor;

use crate::kernels::address;

/// For each slot, the slot whose memory it lies in.
pub(super) struct Owners {
    owner: Vec<usize>,
    /// Where each slot's memory is.
    address: Vec<Option<usize>>,
    /// How many living slots lie in a slot's memory; `None` for memory that the program does not own.
    living: Vec<Option<usize>>,
}

impl Owners {
    /// The inputs are the caller's.
    pub fn new(inputs: &[Tensor]) -> Self {
        let address = inputs.iter().map(address).collect();
        Self { owner: (0..inputs.len()).collect(), address, living: vec![None; inputs.len()] }
    }

    /// The result of a step: a view of an operand, or its own.
    pub fn push(&mut self, result: &Tensor, args: &[usize]) {
        let (slot, address) = (self.owner.len(), address(result));
        let viewed = args.iter().find(|&&arg| self.address[arg] == address).map(|&arg| self.owner[arg]);
        self.owner.push(viewed.unwrap_or(slot));
        self.address.push(address);
        // What a step makes of nothing, it may keep for itself.
        self.living.push((address.is_some() && !args.is_empty()).then_some(0));
        let owner = viewed.unwrap_or(slot);
        if let Some(living) = &mut self.living[owner] {
            *living += 1;
        }
    }

    /// Whether a slot lies in memory of the program's own that no other living one lies in.
    pub fn is_alone(&self, slot: usize) -> bool {
        self.living[self.owner[slot]] == Some(1)
    }

    /// Whether the death of a slot frees memory of the program's own.
    pub fn release(&mut self, slot: usize) -> bool {
        match &mut self.living[self.owner[slot]] {
            Some(living) => {
                *living -= 1;
                *living == 0
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::Result;

    #[test]
    fn memory_is_free_when_its_last_view_is_dead() -> Result<()> {
        let input = Tensor::zeros(4, candle_core::DType::F64, &Device::Cpu)?;
        let mut owners = Owners::new(std::slice::from_ref(&input));
        let own = (&input + 1.0)?;
        owners.push(&own, &[0]); // 1
        owners.push(&own.reshape((2, 2))?, &[1]); // 2: a view of 1
        owners.push(&own.reshape((2, 2))?.t()?, &[2]); // 3: a view of 2
        owners.push(&input.reshape((2, 2))?, &[0]); // 4: a view of the caller's
        owners.push(&(&own * 2.0)?, &[]); // 5: made of nothing
        // 1 has views, and the rest is the caller's or kept.
        assert!((0..6).all(|slot| !owners.is_alone(slot)));
        assert!(!owners.release(1) && !owners.release(3) && !owners.release(4) && !owners.release(5));
        assert!(owners.is_alone(2) && owners.release(2));
        Ok(())
    }
}
