//! Walking one segment file, frame by frame, read-only.
//!
//! The same walk serves recovery, readers, the scrub and the tools. It believes nothing: each frame must
//! carry the segment's salt, continue the chain, and go on with the next lsn and index.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::envelope::{Fault, Front, Place};
use super::footer::{FOOTER_BYTES, Footer, LastSeen};
use super::frame::{FRAME_HEADROOM_BYTES, FRAME_VERSION, FrameRef};
use super::header::{HEADER_BYTES, Header, HeaderFound, SEGMENT_VERSION};
use super::layout::array_at;
use super::names;
use super::source::Source;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::record::Lsn;

/// What a step of a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A whole frame; [`SegmentScan::frame`] has it.
    Frame,
    /// The end the footer names, and the footer agrees with the frames.
    Footer,
    /// No frame here, and why.
    Fault(Fault),
}

/// A walk through one segment.
#[derive(Debug)]
pub struct SegmentScan {
    source: Source,
    header: Header,
    footer: Option<Footer>,
    file_bytes: u64,
    limit: u64,
    current: Option<(u64, Front)>,
    hash: Option<u32>,
    pub(super) tip: Tip,
}

/// How far a walk has come: everything the next frame must fit to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    /// Byte offset of the next envelope.
    pub offset: u64,
    /// Chain value the next envelope must repeat.
    pub chain: u32,
    /// Lsn the next frame must start with.
    pub lsn: Lsn,
    /// Index the next frame must have.
    pub index: u64,
    /// Frames passed in this segment.
    pub count: u64,
    /// Clocks of the frames passed, in this segment and before.
    pub seen: LastSeen,
}

impl Tip {
    /// In front of the first frame of a segment.
    pub fn start_of(header: &Header, seen: LastSeen) -> Tip {
        Tip {
            offset: HEADER_BYTES as u64,
            chain: header.chain_start,
            lsn: header.base_lsn,
            index: header.base_index,
            count: 0,
            seen,
        }
    }
}

impl SegmentScan {
    /// Opens a segment file beside whoever writes it, for tools. Reads in windows, never maps.
    ///
    /// # Errors
    /// `Corrupt` when the header or the file's name is no segment's; `Newer`; `Io`.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<SegmentScan, Error> {
        let id = names::segment_id(path).ok_or(Error::Options { what: "not the name of a segment file" })?;
        let file = disk.open(path, OpenMode::Read).map_err(Error::io("opening", path))?;
        let corrupt = |what| Error::Corrupt { segment: id, offset: 0, lsn: Lsn::ZERO, what };
        let mut first = [0; HEADER_BYTES];
        file.read_at(0, &mut first).map_err(Error::io("reading", path))?;
        match Header::find(&first, id) {
            HeaderFound::Valid(header) => {
                let source = Source::window(Arc::clone(&file));
                Self::over(source, header, &file).map_err(Error::io("reading", path))
            }
            HeaderFound::Zero | HeaderFound::Note(_) => Err(corrupt("prepared, no frame was written yet")),
            HeaderFound::Broken => Err(corrupt("header does not verify")),
            HeaderFound::Newer(version) => {
                Err(Error::Newer { segment: id, offset: 0, version, supported: SEGMENT_VERSION })
            }
        }
    }

    /// Walks `source`, the bytes of `file`, from its first frame; the footer is read when there is one.
    pub(super) fn over(
        source: Source,
        header: Header,
        file: &Arc<dyn DiskFile>,
    ) -> std::io::Result<SegmentScan> {
        let footer = read_footer(&**file, &header)?;
        Ok(SegmentScan { footer, ..Self::unbounded(source, header, file.len()?) })
    }

    /// Walks without asking for a footer. The caller knows where the frames end.
    pub(super) fn unbounded(source: Source, header: Header, file_bytes: u64) -> SegmentScan {
        let tip = Tip::start_of(&header, LastSeen::default());
        SegmentScan {
            source,
            header,
            footer: None,
            file_bytes,
            limit: file_bytes,
            current: None,
            hash: None,
            tip,
        }
    }

    /// From now on, nothing at or above byte `end` is looked at.
    pub(super) fn limit(&mut self, end: u64) {
        self.limit = end;
    }

    /// From the start on, hash every byte passed, so that the footer's body hash is checked too.
    #[must_use]
    pub fn hashing(self) -> SegmentScan {
        SegmentScan { hash: Some(0), ..self }
    }

    /// The segment's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The segment's footer, when it has one that verifies.
    #[must_use]
    pub fn footer(&self) -> Option<&Footer> {
        self.footer.as_ref()
    }

    /// Byte offset of the next frame, or of the fault.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.tip.offset
    }

    /// Lsn the next frame must start with.
    #[must_use]
    pub fn next_lsn(&self) -> Lsn {
        self.tip.lsn
    }

    /// The frame the last [`Step::Frame`] found.
    #[must_use]
    pub fn frame(&self) -> Option<FrameRef<'_>> {
        let (offset, front) = self.current?;
        let body = self.source.held(offset + FRAME_HEADROOM_BYTES as u64, front.body_len)?;
        Some(FrameRef { head: front.head(), body, durable: front.durable(), offset })
    }

    /// What was read ahead is read again: beside a writer, what was no frame a moment ago may be one now.
    pub fn look_again(&mut self) {
        self.current = None;
        self.source.forget();
    }

    /// Goes one frame on. After a fault or the footer it stays where it is and answers the same again.
    /// Cost: one crc32c pass over the frame; no allocation on a mapped segment.
    ///
    /// # Errors
    /// `Io` when the disk cannot be read. Damage is a [`Fault`], not an error.
    pub fn advance(&mut self) -> Result<Step, Error> {
        self.current = None;
        if self.footer.is_some_and(|footer| footer.frames_end == self.tip.offset) {
            return Ok(self.check_footer());
        }
        match self.frame_here() {
            Ok(front) => Ok(self.step_over(front)),
            Err(Ok(fault)) => Ok(Step::Fault(self.cut_or(fault))),
            Err(Err(source)) => Err(self.unreadable(source)),
        }
    }

    /// A file shorter than its header says was cut by somebody: its length was synced before its use.
    fn cut_or(&self, fault: Fault) -> Fault {
        let cut = self.footer.is_none() && self.file_bytes < self.header.segment_bytes;
        if cut && !matches!(fault, Fault::Newer(_)) { Fault::Cut } else { fault }
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        let path = format!("segment {} offset {}", self.header.id, self.tip.offset).into();
        Error::Io { doing: "reading", path, source }
    }

    fn frames_limit(&self) -> u64 {
        self.header.segment_bytes.saturating_sub(FOOTER_BYTES as u64)
    }

    fn place(&self) -> Place {
        Place { segment: self.header.id, offset: self.tip.offset }
    }

    /// The verified front of the frame at the tip; the inner `Err` is the disk's.
    fn frame_here(&mut self) -> Result<Front, Result<Fault, std::io::Error>> {
        let room = self.frames_limit().saturating_sub(self.tip.offset);
        if room < FRAME_HEADROOM_BYTES as u64 {
            return Err(Ok(Fault::Zeros));
        }
        let first = array_at(self.fetch(FRAME_HEADROOM_BYTES as u64)?, 0);
        let front = Front::read(&first, Some(self.header.salt), room).map_err(Ok)?;
        let place = self.place();
        front.verify(place, self.fetch(front.stored_bytes())?).map_err(Ok)?;
        self.check_order(&front).map_err(Ok)?;
        Ok(front)
    }

    fn fetch(&mut self, len: u64) -> Result<&[u8], Result<Fault, std::io::Error>> {
        let past = Fault::Broken("frame goes past the end");
        let inside = self.tip.offset.checked_add(len).is_some_and(|end| end <= self.limit);
        let len = usize::try_from(len).ok().filter(|_| inside).ok_or(Ok(past))?;
        self.source.fetch(self.tip.offset, len, self.limit).map_err(Err)
    }

    fn check_order(&self, front: &Front) -> Result<(), Fault> {
        let head = front.head();
        if front.chain().0 != self.tip.chain {
            return Err(Fault::Broken("frame does not continue the chain"));
        }
        if head.first_lsn != self.tip.lsn || head.index != self.tip.index {
            return Err(Fault::Broken("frame has the wrong lsn or index"));
        }
        head.last_lsn().map(|_| ()).ok_or(Fault::Broken("frame without records"))
    }

    fn step_over(&mut self, front: Front) -> Step {
        let (head, len) = (front.head(), front.stored_bytes());
        let offset = self.tip.offset;
        if let Some(hash) = self.hash {
            let passed = usize::try_from(len).ok().and_then(|len| self.source.held(offset, len));
            self.hash = Some(crc32c::crc32c_append(hash, passed.unwrap_or_default()));
        }
        self.current = Some((offset, front));
        self.tip.offset = offset + len;
        self.tip.chain = front.chain().1;
        // `check_order` refused frames whose last lsn does not exist; the one after may be past the end.
        self.tip.lsn = Lsn(head.last_lsn().unwrap_or(head.first_lsn).0.saturating_add(1));
        self.tip.index = head.index.saturating_add(1);
        self.tip.count += 1;
        self.tip.seen.see(&head);
        Step::Frame
    }

    fn check_footer(&self) -> Step {
        let Some(footer) = self.footer else { return Step::Fault(Fault::Zeros) };
        let agrees = footer.last_lsn == self.tip.lsn.prev()
            && footer.count == self.tip.count
            && footer.final_chain == self.tip.chain;
        if !agrees {
            return Step::Fault(Fault::Broken("footer does not agree with the frames"));
        }
        match self.hash {
            Some(hash) if hash != footer.body_hash => Step::Fault(Fault::Broken("body hash of the footer")),
            _ => Step::Footer,
        }
    }

    /// The error for a fault that must not be there.
    #[must_use]
    pub fn corrupt(&self, fault: Fault) -> Error {
        let (segment, offset) = (self.header.id, self.tip.offset);
        match fault {
            Fault::Newer(version) => Error::Newer { segment, offset, version, supported: FRAME_VERSION },
            fault => Error::Corrupt { segment, offset, lsn: self.tip.lsn, what: fault.text() },
        }
    }
}

/// The footer at the end of a segment file, when there is one that verifies and is possible.
pub(super) fn read_footer(file: &dyn DiskFile, header: &Header) -> std::io::Result<Option<Footer>> {
    let at = header.segment_bytes.saturating_sub(FOOTER_BYTES as u64);
    if file.len()? < header.segment_bytes || at < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; FOOTER_BYTES];
    file.read_at(at, &mut bytes)?;
    let footer = Footer::decode(&bytes, header.id, Some(header.salt));
    Ok(footer.filter(|footer| {
        let inside = (HEADER_BYTES as u64..=at).contains(&footer.frames_end);
        inside && footer.last_lsn.0.saturating_add(1) >= header.base_lsn.0 && footer.last_lsn.0 < u64::MAX
    }))
}
