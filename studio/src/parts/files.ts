/** Files that are dropped on an element. */
import type { DragEvent } from "react";

/** The handlers of an element that takes a dropped file; `take` is given the first, and what it was dropped on. */
export function filesTo(take: (file: File, target: HTMLElement) => void): { onDragOver: (event: DragEvent) => void; onDragLeave: (event: DragEvent) => void; onDrop: (event: DragEvent) => void } {
  const over = (event: DragEvent, on: boolean): void => void event.currentTarget.classList.toggle("over", on);
  return {
    onDragOver: (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      over(event, true);
    },
    onDragLeave: (event) => over(event, false),
    onDrop: (event) => {
      over(event, false);
      const file = event.dataTransfer.files[0];
      if (!file) return;
      event.preventDefault();
      take(file, event.target as HTMLElement);
    },
  };
}
