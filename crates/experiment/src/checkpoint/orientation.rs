//! Finds matrices that are stored as \[in, out\] instead of \[out, in\], as by Hugging Face's
//! `Conv1D`, TensorFlow and JAX. The shape shows the orientation of all but square matrices.

use eigenscape_formats::Refusal;
use eigenscape_program::Network;

use super::{
    difference::{declared, lookup},
    state_dict::{Entry, Item, Selection, StateDict},
};

/// The layers of GPT-2 that are a `Conv1D` in Hugging Face's library. nanoGPT has linear layers of
/// the same names; in one file all are of the same kind.
const CONV1D: [&str; 4] = ["c_attn", "c_proj", "c_fc", "q_attn"];
/// The maximum number of matrices that are listed one by one.
const LISTED: usize = 6;

/// A matrix of the network that the file has in the same or the transposed shape.
struct Matrix<'a> {
    entry: &'a Entry<'a>,
    /// Whether it is square, so that its shape does not show its orientation.
    square: bool,
    /// Whether it is stored as \[in, out\], according to `transpose` or else to its shape.
    turned: bool,
}

impl Matrix<'_> {
    fn is_conv1d(&self) -> bool {
        conv1d(self.entry).is_some()
    }
}

/// The layer's name, if the layer can be a `Conv1D`.
fn conv1d(entry: &Entry) -> Option<&'static str> {
    let (module, leaf) = entry.stored_as.rsplit_once('.')?;
    let layer = module.rsplit('.').next()?;
    CONV1D.into_iter().find(|known| *known == layer && leaf == "weight")
}

/// Whether the tensor has the name that Keras and Flax give to a matrix stored as \[in, out\].
fn is_kernel(entry: &Entry) -> bool {
    entry.stored_as.rsplit('.').next() == Some("kernel")
}

fn matrices<'a>(network: &'a Network, state: &'a StateDict) -> Vec<Matrix<'a>> {
    let matrix = |name: &str, shape: &[usize]| {
        let &[rows, columns] = shape else { return None };
        let entry = lookup(network, state, name)?;
        let stored = entry.item.stored()?.shape();
        let turned = match entry.item {
            _ if stored != [rows, columns] && stored != [columns, rows] => return None,
            Item::Transposed(_) => true,
            _ => stored != [rows, columns],
        };
        Some(Matrix { entry, square: rows == columns, turned })
    };
    declared(network)
        .filter(|declared| declared.name.rsplit('.').next().is_some_and(|leaf| leaf.contains("weight")))
        .filter_map(|declared| matrix(&declared.name, &declared.shape))
        .collect()
}

/// Patterns to add to `transpose`, and why.
pub(super) struct Turning {
    /// The patterns.
    pub patterns: Vec<String>,
    /// The reason, as text.
    pub why: String,
}

/// The patterns to add to `transpose` so that matrices fit; `None` if no matrix needs to be
/// transposed.
pub(super) fn turning(network: &Network, state: &StateDict) -> Option<Turning> {
    let matrices = matrices(network, state);
    let reversed = |matrix: &&Matrix| !matrix.square && matrix.turned;
    let missing: Vec<&Matrix> =
        matrices.iter().filter(reversed).filter(|m| matches!(m.entry.item, Item::Tensor(_))).collect();
    let is_square_kernel = |matrix: &&Matrix| matrix.square && !matrix.turned && is_kernel(matrix.entry);
    if missing.is_empty() && !matrices.iter().any(|matrix| is_square_kernel(&matrix)) {
        return None;
    }
    let is_conv1d = missing.iter().any(|matrix| matrix.is_conv1d());
    let upright = matrices.iter().filter(|matrix| !matrix.square && !matrix.turned).count();
    let squares: Vec<&Matrix> = matrices.iter().filter(|matrix| matrix.square && !matrix.turned).collect();
    // `Conv1D` layers and kernels are recognised by name. In files without `Conv1D` layers, other
    // square matrices follow the majority of the non-square ones.
    let most = matrices.iter().filter(reversed).count() > upright;
    let (too, unknown): (Vec<&Matrix>, Vec<&Matrix>) = squares
        .into_iter()
        .partition(|square| is_kernel(square.entry) || if is_conv1d { square.is_conv1d() } else { most });
    let is_wanted = |matrix: &&Matrix| {
        missing.iter().chain(&too).any(|other| other.entry.stored_as == matrix.entry.stored_as)
    };
    let mut wanted: Vec<&Entry> = matrices.iter().filter(is_wanted).map(|matrix| matrix.entry).collect();
    let mut patterns = Vec::new();
    let mut why = if is_conv1d {
        wanted.retain(|entry| conv1d(entry).is_none());
        patterns = conv1d_patterns(state);
        "the layers c_attn, c_proj and c_fc of Hugging Face's GPT-2 (Conv1D) store all their matrices the other way round, [in, out], \
         and its GELU is the tanh form (gelu = \"tanh\" in [model], for the architecture gpt)"
            .to_owned()
    } else {
        "matrices are stored the other way round, [in, out]".to_owned()
    };
    patterns.extend(listed(&wanted, state));
    if let [first, more @ ..] = too.as_slice() {
        why += &format!(
            "; so {} {}, square, so that the shape does not show it",
            if more.is_empty() { "is" } else { "are" },
            names(&[&[*first], more].concat())
        );
    }
    if !is_conv1d && !unknown.is_empty() {
        why += &format!(
            "; a square shape does not show whether {} is, too: compare with `cargo xtask verify`",
            names(&unknown)
        );
    }
    Some(Turning { patterns, why })
}

/// One pattern for each kind of `Conv1D` layer in the file.
fn conv1d_patterns(state: &StateDict) -> Vec<String> {
    let has = |layer: &&str| {
        state
            .entries
            .iter()
            .any(|entry| conv1d(entry) == Some(*layer) && entry.stored_as.matches('.').count() > 1)
    };
    CONV1D.into_iter().filter(has).map(|layer| format!("*.{layer}.weight")).collect()
}

/// Patterns that match exactly these names of the file; many names are matched by a common ending.
fn listed(wanted: &[&Entry], state: &StateDict) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    for entry in wanted {
        let name = entry.stored_as;
        if patterns.iter().any(|pattern| super::pattern::fits(pattern, name)) {
            continue;
        }
        let ending = name.rmatch_indices('.').nth(1).map(|(dot, _)| format!("*{}", &name[dot..]));
        let is_wanted = |other: &Entry| wanted.iter().any(|entry| entry.stored_as == other.stored_as);
        let ending = ending.filter(|ending| {
            let mut fitting =
                state.entries.iter().filter(|entry| super::pattern::fits(ending, entry.stored_as));
            wanted.len() > LISTED && fitting.all(is_wanted)
        });
        patterns.push(ending.unwrap_or_else(|| name.to_owned()));
    }
    patterns
}

fn names(matrices: &[&Matrix]) -> String {
    super::state_dict::shown(matrices.iter().map(|matrix| matrix.entry.stored_as))
}

/// Whether a file's layers are Hugging Face's `Conv1D`, as of GPT-2.
pub(super) fn is_of_gpt2(network: &Network, state: &StateDict) -> bool {
    matrices(network, state).iter().any(|matrix| matrix.is_conv1d() && matrix.turned)
}

/// A note on square matrices of doubtful orientation, for a file that fits.
///
/// # Errors
/// When a square `Conv1D` matrix has another orientation than the other `Conv1D` matrices.
pub(super) fn doubt(
    selection: &Selection,
    network: &Network,
    state: &StateDict,
) -> Result<Option<String>, Refusal> {
    let matrices = matrices(network, state);
    let (known, others): (Vec<&Matrix>, Vec<&Matrix>) =
        matrices.iter().partition(|matrix| matrix.is_conv1d());
    if let Some((turned, odd)) = odd(&known) {
        let odd = names(&odd);
        let same = "c_attn, c_proj and c_fc are stored the same way round in one file";
        return Err(if turned {
            let problem = format!(
                "`transpose` leaves out {odd}, square, and lists the other matrices of its kind: {same}"
            );
            let mut patterns = selection.transpose.clone();
            patterns.extend(
                conv1d_patterns(state).into_iter().filter(|pattern| !selection.transpose.contains(pattern)),
            );
            Refusal::new(problem, format!("write\n{}", super::remedy::transpose_line(&patterns)))
        } else {
            let problem =
                format!("`transpose` lists {odd}, square, and not the other matrices of its kind: {same}");
            Refusal::new(problem, "take it out of `transpose`")
        });
    }
    let kernels: Vec<&Matrix> =
        others.iter().copied().filter(|m| m.square && !m.turned && is_kernel(m.entry)).collect();
    if !kernels.is_empty() {
        return Ok(Some(format!(
            "{}, square, taken to be stored as PyTorch does, although Keras and Flax store what they call a kernel the other way round: add it to \
             `transpose`, or compare with `cargo xtask verify`",
            names(&kernels)
        )));
    }
    Ok(odd(&others).map(|(turned, odd)| {
        let (ours, theirs) = if turned { ("as PyTorch does", "not ") } else { ("the other way round", "") };
        format!(
            "{} taken to be stored {ours}, and the other matrices are {theirs}as PyTorch stores them: a square shape does not show it; compare with \
             `cargo xtask verify`",
            names(&odd)
        )
    }))
}

/// If all matrices that are not square have one orientation (`true`: \[in, out\]), that orientation
/// and the square matrices of the other.
fn odd<'a>(matrices: &[&'a Matrix<'a>]) -> Option<(bool, Vec<&'a Matrix<'a>>)> {
    let mut telling = matrices.iter().filter(|matrix| !matrix.square).map(|matrix| matrix.turned);
    let turned = telling.next()?;
    if telling.any(|other| other != turned) {
        return None;
    }
    let odd: Vec<&Matrix> =
        matrices.iter().copied().filter(|matrix| matrix.square && matrix.turned != turned).collect();
    (!odd.is_empty()).then_some((turned, odd))
}
