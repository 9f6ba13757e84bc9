import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { CopyIcon, ShareIcon } from './icons';

const COPIED_MS = 2500;

export function InviteLink({ url }: { url: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async (field: HTMLInputElement | null) => {
    try {
      await navigator.clipboard.writeText(url);
      setCopied(true);
    } catch {
      field?.select(); // For the person to copy by hand.
    }
  };
  let field: HTMLInputElement | null = null;

  return (
    <div class="invite">
      <input
        ref={(element) => {
          field = element;
        }}
        class="input"
        data-testid="invite-link"
        aria-label={t('inviteLink')}
        readOnly
        value={url}
        onFocus={(event) => event.currentTarget.select()}
      />
      <button type="button" class="button" onClick={() => void copy(field)}>
        <CopyIcon />
        <span aria-live="polite">{copied ? t('copied') : t('copy')}</span>
      </button>
      {'share' in navigator && (
        <button
          type="button"
          class="button only-touch"
          onClick={() => void navigator.share({ text: t('shareText'), url }).catch(() => {})}
        >
          <ShareIcon />
          {t('share')}
        </button>
      )}
    </div>
  );
}
