// Functions that run in okcvm's own world of a page; each is called on an element and gives plain data back.
({
    // What lies over the element where a click would hit; nothing when the click would reach it.
    covered(hit) {
        const reaches = {by: null};
        const above = node => node.assignedSlot || node.parentNode || node.host || null;
        const within = (node, other) => {
            for (let at = node; at; at = above(at)) if (at === other) return true;
            return false;
        };
        if (hit && !hit.nodeName) {
            // What the style sheet draws before or after an element is no node to a script: the one that it belongs to is.
            const area = box => box.width * box.height;
            const box = [...this.getClientRects()].sort((a, b) => area(b) - area(a))[0] || this.getBoundingClientRect();
            const place = [box.x + box.width / 2, box.y + box.height / 2];
            hit = this.ownerDocument.elementFromPoint(...place);
            for (let root = hit && hit.shadowRoot; root; root = hit.shadowRoot) {
                const inner = root.elementFromPoint(...place);
                if (!inner || inner === hit) break;
                hit = inner;
            }
        }
        if (!hit || within(hit, this) || within(this, hit)) return reaches;
        const label = hit.closest && hit.closest('label');
        if (label && label.control === this) return reaches;
        if (this.labels) for (const own of this.labels) if (within(hit, own)) return reaches;
        const words = (hit.innerText || hit.getAttribute && hit.getAttribute('aria-label') || '').trim().slice(0, 60);
        const id = hit.id ? '#' + hit.id : '';
        return {by: hit.nodeName.toLowerCase() + id + (words ? ' ' + JSON.stringify(words) : '')};
    },
    // Puts a text into a field. "typed" means that the field is ready for keys.
    fill(text) {
        const changed = () => {
            this.dispatchEvent(new Event('input', {bubbles: true, composed: true}));
            this.dispatchEvent(new Event('change', {bubbles: true}));
        };
        if (this.disabled) return {refused: 'it is disabled'};
        if (this.readOnly) return {refused: 'it is read-only'};
        const tag = this.nodeName.toLowerCase();
        const type = (this.type || '').toLowerCase();
        if (tag === 'select') {
            const wanted = this.multiple ? text.split('\n').map(line => line.trim()).filter(Boolean) : [text.trim()];
            const words = option => (option.label || option.text).replace(/\s+/g, ' ').trim();
            const found = [];
            for (const one of wanted) {
                const options = [...this.options];
                const same = (a, b) => a.toLowerCase() === b.toLowerCase();
                const option = options.find(o => words(o) === one) || options.find(o => o.value === one)
                    || options.find(o => same(words(o), one));
                if (!option) return {refused: `it has no option ${JSON.stringify(one)}; its options are: `
                    + options.slice(0, 40).map(words).join(' | ')};
                if (option.disabled) return {refused: `its option ${JSON.stringify(one)} is disabled`};
                found.push(option);
            }
            for (const option of this.options) option.selected = found.includes(option);
            changed();
            return {done: `chose ${found.map(words).join(', ')}`};
        }
        if (tag === 'input' && ['date', 'time', 'datetime-local', 'month', 'week', 'color', 'range'].includes(type)) {
            const before = this.value, wanted = text.trim();
            this.focus();
            this.value = wanted;
            if (type === 'range' ? Number(this.value) !== Number(wanted) : this.value !== wanted && this.value !== wanted.toLowerCase()) {
                const forms = {date: 'YYYY-MM-DD', time: 'HH:MM', 'datetime-local': 'YYYY-MM-DDTHH:MM', month: 'YYYY-MM',
                    week: 'YYYY-Www', color: '#rrggbb', range: `a number from ${this.min || 0} to ${this.max || 100}`};
                const became = this.value;
                this.value = before;
                return {refused: `it wants ${forms[type]}` + (became ? `, and would have become ${became}` : '')};
            }
            changed();
            return {done: `is ${this.value} now`};
        }
        if (tag === 'input' && (type === 'checkbox' || type === 'radio')) {
            const word = text.trim().toLowerCase();
            const on = ['true', 'on', 'yes', '1', 'checked', 'x'].includes(word);
            if (!on && !['false', 'off', 'no', '0', 'unchecked', ''].includes(word)) return {refused: 'it wants true or false'};
            if (type === 'radio' && !on) return {refused: 'a radio button is switched off by choosing another'};
            return this.checked === on ? {done: on ? 'was checked already' : 'was not checked'} : {click: true};
        }
        if (tag === 'input' && type === 'file') return {file: true, multiple: this.multiple};
        if (tag === 'input' && ['button', 'submit', 'reset', 'image', 'hidden'].includes(type)) return {refused: 'it is a button'};
        let field = this;
        if (!(tag === 'input' || tag === 'textarea' || this.isContentEditable)) {
            field = this.querySelector('input:not([type=hidden]), textarea, [contenteditable]:not([contenteditable=false])');
            if (!field) return {refused: 'nothing can be typed into it'};
        }
        field.focus();
        if (field.isContentEditable) {
            const range = field.ownerDocument.createRange();
            range.selectNodeContents(field);
            const selection = field.ownerDocument.getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
            return {typed: true, lines: true};
        }
        field.select();
        return {typed: true, lines: field.nodeName === 'TEXTAREA', number: type === 'number'};
    },
    // Scrolls what lies at a point of the window; how far it went.
    scroll(x, y, by) {
        let at = document.elementFromPoint(x, y) || document.scrollingElement;
        while (at && at.shadowRoot && at.shadowRoot.elementFromPoint(x, y) && at.shadowRoot.elementFromPoint(x, y) !== at)
            at = at.shadowRoot.elementFromPoint(x, y);
        const moves = element => {
            const before = element.scrollTop;
            element.scrollBy({top: by, behavior: 'instant'});
            return element.scrollTop - before;
        };
        const page = document.scrollingElement || document.documentElement;
        const framed = at && (at.nodeName === 'IFRAME' || at.nodeName === 'FRAME');
        for (let up = at; up; up = up.parentElement || (up.getRootNode().host ?? null)) {
            if (up === page || up === document.body) break;
            const style = getComputedStyle(up);
            if (!['auto', 'scroll', 'overlay'].includes(style.overflowY) || up.scrollHeight <= up.clientHeight + 1) continue;
            // A small box in the middle of a page that scrolls is not what is meant.
            if (up.clientHeight < innerHeight / 3 && page.scrollHeight > page.clientHeight + 1) continue;
            const moved = moves(up);
            if (moved) return {moved, frame: false};
        }
        const moved = moves(page);
        return {moved, frame: !moved && Boolean(framed)};
    },
    // What stands in the field now.
    value() {
        const field = this.value === undefined && !this.isContentEditable
            ? this.querySelector('input:not([type=hidden]), textarea, [contenteditable]') || this : this;
        return {value: String(field.isContentEditable ? field.innerText : field.value)};
    },
    // Shows a place in the text and marks it.
    reveal(from, end, to) {
        const document = this.ownerDocument;
        const element = this.nodeType === 1 ? this : this.parentElement;
        for (let up = element; up; up = up.parentElement) if (up.nodeName === 'DETAILS') up.open = true;
        element.scrollIntoView({block: 'center', inline: 'nearest', behavior: 'instant'});
        if (this.nodeType !== 3) return {marked: false};
        const range = document.createRange();
        range.setStart(this, Math.min(from, this.length));
        if (end && end.nodeType === 3) range.setEnd(end, Math.min(to, end.length));
        else range.setEnd(this, this.length);
        const window = document.defaultView;
        window.CSS.highlights.set('okcvm-find', new window.Highlight(range));
        const root = this.getRootNode();
        const sheet = new window.CSSStyleSheet();
        sheet.replaceSync('::highlight(okcvm-find) { background-color: #ffd33d; color: #000; }');
        root.adoptedStyleSheets = [...root.adoptedStyleSheets.slice(-20), sheet];
        return {marked: true};
    },
})
