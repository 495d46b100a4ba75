//! Eigenvalues of symmetric matrices on a device.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, buffer::DeviceTensor, cusolver::Problem, device::Device, driver::Driver};

/// The fewest rows for which a device is faster than one thread of a host: cuSOLVER takes 0.7 ms
/// for 100 rows and 10 ms for 900 on an H100, where a thread takes about as long and 170 ms.
const FEWEST: usize = 200;

/// The numbers that are copied to the device at once.
const STAGED: usize = 1 << 22;

/// All eigenvalues, ascending, of the symmetric matrix with these columns, of which only the lower
/// half is read. `None` for small matrices, without cuSOLVER, without memory for the matrix, and
/// where the iteration does not converge.
pub(crate) fn of_columns(device: &Arc<Device>, columns: &[&[f64]]) -> Result<Option<Vec<f64>>> {
    let n = columns.len();
    if columns.iter().any(|column| column.len() != n) {
        return Err(Error::shape("eigenvalues", format!("columns of other lengths than {n}")));
    }
    if n < FEWEST {
        return Ok(None);
    }
    let Some(solver) = device.solver() else { return Ok(None) };
    let new = |numbers: usize, dtype: DType| DeviceTensor::new(device, &[numbers], dtype);
    let Ok(matrix) = new(n * n, DType::F64) else { return Ok(None) };
    let (values, info) = (new(n, DType::F64)?, new(1, DType::U32)?);
    let problem = Problem { n, matrix: matrix.address(), values: values.address() };
    let driver = device.driver()?;
    let numbers = {
        let _alone = device.work();
        upload(driver, columns, problem.matrix)?;
        solver.workspace(&problem)?
    };
    let Ok(workspace) = new(usize::try_from(numbers).unwrap_or(0).max(1), DType::F64) else {
        return Ok(None);
    };
    {
        let _alone = device.work();
        // SAFETY: all of them were allocated above, in these sizes.
        unsafe { solver.eigenvalues(&problem, (workspace.address(), numbers), info.address())? };
    }
    let is_done = info.download()?.to_vec1::<u32>()? == [0];
    Ok(if is_done { Some(values.download()?.to_vec1()?) } else { None })
}

/// Copies the columns one after another.
fn upload(driver: &Driver, columns: &[&[f64]], to: u64) -> Result<()> {
    let n = columns.len();
    let mut staged = Vec::new();
    let mut start = to;
    for columns in columns.chunks((STAGED / n).max(1)) {
        staged.clear();
        columns.iter().for_each(|column| staged.extend_from_slice(column));
        // SAFETY: the matrix has n columns of n numbers, and these are the next ones.
        unsafe { driver.upload(start, bytemuck::cast_slice(&staged))? };
        start += size_of_val(staged.as_slice()) as u64;
    }
    Ok(())
}
